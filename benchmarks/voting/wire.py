"""How soon calls that no longer matter are closed, over real HTTP to the stub server."""

import asyncio
import random
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from stub_server import ChatRequest, Reply, StubServer

from langgraph_parallel import Voter, create_voting

RUNS = 20
VOTERS = 9
SOON = (0.1, 0.4)
"""Seconds until the ballots are there that decide, at random."""
LATE = 3.0
"""Seconds until the others would be."""


def measure() -> Iterator[tuple[str, float, float, str]]:
    """Vote with *settled* and all calls at once.

    Yields:
        The way of calling; the median and the greatest time in milliseconds from the deciding
        ballot to the close of the last of the other calls; in how many runs the decision was that
        of all ballots.
    """
    for name, invoke in (("ainvoke", _async), ("invoke", _sync)):
        chance = random.Random(0)  # noqa: S311
        runs = [_run(invoke, chance) for _ in range(RUNS)]
        waits = [1000 * wait for wait, _ in runs]
        alike = sum(is_alike for _, is_alike in runs)
        yield name, median(waits), max(waits), f"{alike} of {RUNS}"


def _run(invoke: Callable[[Any, Any], Any], chance: random.Random) -> tuple[float, bool]:
    """Give the seconds until the last close, and whether the decision is that of all ballots."""
    winner, loser = chance.sample(["yes", "no"], 2)
    early = set(chance.sample(range(VOTERS), VOTERS // 2 + 1))

    def reply(request: ChatRequest) -> Reply:
        voter = int(request.text.split()[2].rstrip("."))
        if voter in early:
            return Reply({"ballot": winner}, delay=chance.uniform(*SOON))
        return Reply({"ballot": chance.choice([winner, loser])}, delay=LATE)

    with StubServer(default=reply) as server:
        model = ChatOpenAI(
            model="stub-model",
            base_url=server.url + "/v1",
            api_key=SecretStr("stub"),
            max_retries=0,
        )
        panel = [Voter(f"v{i}", f"You are {i}.", model=model) for i in range(VOTERS)]
        graph = create_voting(panel, options=["yes", "no"])
        output = invoke(graph, {"input": "A question."})["output"]
        server.wait_until(lambda log: log.open_requests == 0)
        records = server.requests
    decided = max(record.ended for record in records if record.status == "done" and record.ended)
    closed = max((record.closed_at or decided for record in records), default=decided)
    return closed - decided, output == winner


def _sync(graph: Any, value: Any) -> Any:
    return graph.invoke(value)


def _async(graph: Any, value: Any) -> Any:
    return asyncio.run(graph.ainvoke(value))
