"""The guardrail's rows: what the caller and the server see of each contender.

The guard answers at 0.30 s; the answer's 50 tokens come every 20 ms from 0.05 s on.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

from stub_server import Reply, StubServer

from comparison.scene import (
    ANSWER,
    JUDGE,
    PER_TOKEN,
    REFUSAL,
    TOKENS,
    Case,
    Contender,
    find,
    set_up,
    verdict,
)

Row = dict[str, str]
LONGEST = 2.5
"""Seconds after which the caller gives up, where a guard hangs."""

_FAILING = Reply(status=500, delay=0.1, headers={"retry-after-ms": "20"})
_HANGING = Reply("", gate="never")


@dataclass
class Seen:
    """What the caller saw of one run; times by `time.monotonic()`."""

    began: float
    tokens: list[float]
    """When each piece of the answer came."""
    ending: str
    ended: float


async def see(contender: Contender, case: Case) -> Seen:
    """Run a contender as a caller who reads its stream."""
    began, tokens = time.monotonic(), list[float]()

    async def read() -> str:
        ending = "the answer"
        async for piece in contender(case):
            if piece == REFUSAL:
                ending = "the refusal"
            else:
                tokens.append(time.monotonic())
        return ending

    try:
        ending = await asyncio.wait_for(read(), LONGEST)
    except asyncio.TimeoutError:
        ending = "nothing"
    except Exception as error:
        ending = type(error).__name__
    return Seen(began, tokens, ending, time.monotonic())


async def trip(contender: Contender) -> dict[str, float]:
    """The guard trips at 0.30 s."""
    with StubServer() as server:
        set_up(server, verdict(trips=True), has_tool=False)
        counting = asyncio.ensure_future(_generated_at_verdict(server))
        seen = await see(contender, Case(f"{server.url}/v1"))
        await server.until(lambda log: log.open_requests == 0)
        judged = find(server, JUDGE)[0].ended or 0
        answers = find(server, ANSWER)
        closed = [record.ended or 0 for record in answers]
        return {
            "tokens": len(seen.tokens),
            "refused": seen.ended - judged,
            "closed": max(closed, default=judged) - judged,
            "after": sum(record.generated for record in answers) - await counting,
            "asked": len(answers),
        }


async def _generated_at_verdict(server: StubServer) -> int:
    while True:
        if (judged := find(server, JUDGE)) and judged[0].ended is not None:
            return sum(record.generated for record in find(server, ANSWER))
        await asyncio.sleep(0.001)


async def passing(contender: Contender) -> dict[str, float]:
    """The guard passes the input at 0.30 s."""
    with StubServer() as server:
        set_up(server, verdict(trips=False), has_tool=False)
        seen = await see(contender, Case(f"{server.url}/v1"))
        return {"first": seen.tokens[0] - seen.began, "total": seen.ended - seen.began}


async def tool(contender: Contender) -> str:
    """The answer calls a tool at 0.1 s, and the guard trips at 0.30 s."""
    with StubServer() as server:
        set_up(server, verdict(trips=True), has_tool=True)
        case = Case(f"{server.url}/v1", has_tool=True)
        await see(contender, case)
        await asyncio.sleep(PER_TOKEN)
        return "yes" if case.paid else "no"


async def failing(contender: Contender, judge: Reply) -> str:
    """The guard gives no verdict."""
    with StubServer() as server:
        set_up(server, judge, has_tool=False)
        seen = await see(contender, Case(f"{server.url}/v1"))
        tokens = f", {len(seen.tokens)} tokens" if seen.tokens else ""
        if seen.ending == "nothing":
            return f"nothing in {LONGEST} s{tokens}"
        return f"{seen.ending} at {seen.ended - seen.began:.1f} s{tokens}"


async def rows(contenders: Mapping[str, Contender], runs: int) -> tuple[list[Row], list[Row]]:
    """Measure all contenders.

    Args:
        contenders: The contenders by name.
        runs: Runs of each timed case, of which medians are given.

    Returns:
        The rows of what a verdict does, and of what happens without one.
    """
    for contender in contenders.values():  # what is imported and made once
        await passing(contender)
    trips: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    passes: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    for _ in range(runs):
        for name, contender in contenders.items():
            trips[name].append(await trip(contender))
            passes[name].append(await passing(contender))
    verdicts, failures = [], []
    for name, contender in contenders.items():
        t = {key: median(run[key] for run in trips[name]) for key in trips[name][0]}
        p = {key: median(run[key] for run in passes[name]) for key in passes[name][0]}
        is_streamed = p["total"] - p["first"] > PER_TOKEN * TOKENS / 4
        verdicts.append(
            {
                "contender": name,
                "trip: tokens seen": f"{t['tokens']:.0f}",
                "refused after, ms": f"{1000 * t['refused']:.0f}",
                "closed after, ms": f"{1000 * t['closed']:.0f}" if t["asked"] else "not begun",
                "tokens after": f"{t['after']:.0f}",
                "tool ran": await tool(contender),
                "pass: first token, s": f"{p['first']:.2f}" if is_streamed else "no stream",
                "end, s": f"{p['total']:.2f}",
            }
        )
        failures.append(
            {
                "contender": name,
                "guard answers 500": await failing(contender, _FAILING),
                "guard hangs": await failing(contender, _HANGING),
            }
        )
    return verdicts, failures
