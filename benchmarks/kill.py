"""Kills runs at random moments, resumes them, and says what was done twice.

`make bench-kill` kills 200 runs with SQLite and 50 with PostgreSQL, where that is installed. The
tests kill a few in the same way.
"""

import sys
import tempfile
from pathlib import Path

from kill_job import saver_at
from kill_trials import Tally, Trials
from langgraph.checkpoint.postgres import PostgresSaver
from postgres import postgres, programs
from stub_server import StubServer

SQLITE, POSTGRES = 200, 50


def killed(address: str, number: int) -> Tally:
    """Kill so many runs whose checkpoints are at an address."""
    with StubServer() as server:
        trials = Trials(address, server, seed=1)
        trials.run(number)
        return trials.tally


def main() -> int:
    """Run all trials; the exit status says whether anything was lost or repeated."""
    with tempfile.TemporaryDirectory() as folder:
        tallies = [killed(str(Path(folder) / "db"), SQLITE)]
    print(f"SQLite: {tallies[0]}")
    if found := programs():
        with postgres(found) as address:
            with saver_at(address) as saver:
                assert isinstance(saver, PostgresSaver)  # noqa: S101
                saver.setup()
            tallies.append(killed(address, POSTGRES))
        print(f"PostgreSQL: {tallies[1]}")
    return int(any(tally.wrong or tally.stored_and_repeated for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
