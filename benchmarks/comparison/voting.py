"""The voting rows: what is saved when slow votes no longer matter, and what speed decides."""

import random
import time
from collections.abc import Mapping
from statistics import median

from stub_server import ChatRequest, Reply, StubServer

from comparison.votes import FIRST, MAJORITY, VOTERS, Contender

Row = dict[str, str]
LATE = 1.5
"""Seconds until the ballots come that no longer matter."""
SPEEDS = 10
"""In how many random orders the same ballots come."""


def _reply(labels: Mapping[int, str], delays: Mapping[int, float]) -> object:
    def reply(request: ChatRequest) -> Reply:
        voter = int(request.text.split()[2].rstrip("."))
        has_schema = request.schema is not None
        label = labels[voter]
        return Reply({"ballot": label} if has_schema else label, delay=delays[voter])

    return reply


async def _late(contender: Contender) -> tuple[float, int]:
    """Five voters agree within 0.3 s, four answer after 1.5 s."""
    chance = random.Random(1)  # noqa: S311
    early = set(chance.sample(range(VOTERS), MAJORITY))
    labels = {voter: "yes" if voter in early else "no" for voter in range(VOTERS)}
    delays = {v: chance.uniform(0.1, 0.3) if v in early else LATE for v in range(VOTERS)}
    with StubServer(default=_reply(labels, delays)) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        await contender(f"{server.url}/v1", MAJORITY)
        took = time.monotonic() - began
        await server.until(lambda log: log.open_requests == 0)
        return took, sum(record.status == "client_closed" for record in server.requests)


async def _decisions(contender: Contender) -> set[str]:
    """Ask for three equal ballots; the same ballots come at different speeds."""
    labels = {voter: "yes" if voter % 3 else "no" for voter in range(VOTERS)}
    found = set()
    for seed in range(SPEEDS):
        chance = random.Random(seed)  # noqa: S311
        delays = {voter: chance.uniform(0.02, 0.3) for voter in range(VOTERS)}
        with StubServer(default=_reply(labels, delays)) as server:  # type: ignore[arg-type]
            found.add(await contender(f"{server.url}/v1", FIRST))
    return found


async def rows(contenders: Mapping[str, Contender], runs: int) -> list[Row]:
    """Measure all contenders."""
    for contender in contenders.values():
        await _late(contender)
    table = []
    for name, contender in contenders.items():
        late = [await _late(contender) for _ in range(runs)]
        decisions = await _decisions(contender)
        table.append(
            {
                "contender": name,
                "decided after, s": f"{median(took for took, _ in late):.2f}",
                "requests closed": f"{median(closed for _, closed in late):.0f} of 4",
                f"decisions at {SPEEDS} speeds": ", ".join(sorted(decisions)),
            }
        )
    return table
