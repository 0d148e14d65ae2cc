"""Runs that are killed at random moments go on, and nothing that was stored is done again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_job import saver_at
from kill_trials import Trials
from langgraph.checkpoint.postgres import PostgresSaver
from postgres import postgres, programs
from stub_server import StubServer

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "db")
        return
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed: `apt-get install postgresql` on Debian")
    with postgres(folder) as address:
        with saver_at(address) as saver:
            assert isinstance(saver, PostgresSaver)
            saver.setup()
        yield address


def test_a_killed_run_goes_on_and_repeats_nothing_that_was_stored(
    server: StubServer, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number = 6 if store.startswith("postgresql:") else 24
    trials = Trials(store, server, seed=5)
    trials.run(number)
    with capsys.disabled():
        print(f"\n{trials.tally}")
    assert trials.tally.wrong == []
    assert trials.tally.stored_and_repeated == []
    assert trials.tally.unfinished > 0
    assert trials.tally.stored > 0
