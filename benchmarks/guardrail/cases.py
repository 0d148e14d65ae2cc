"""The cases of the table, each one run on a fresh stub server's log."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from stub_server import Reply, StubServer

from guardrail.modes import Mode, ainvoke
from guardrail.scene import (
    ANSWER,
    JUDGE,
    PER_TOKEN,
    REFUSAL,
    TOKENS,
    Graph,
    answer,
    find,
    guarded,
    stub,
    verdict,
)
from langgraph_parallel import Guard, after_verdict

Row = dict[str, float]
"""Measured values by name: milliseconds, or numbers of things."""

CLOSED_WITHIN = 2.0


def ms(seconds: float) -> float:
    """Give seconds as milliseconds."""
    return 1000 * seconds


def expect(found: Any, expected: Any) -> None:
    """Stop if a guardrail did something else than it should."""
    if found != expected:
        raise RuntimeError(f"{found!r} came instead of {expected!r}")


async def trip(mode: Mode, **timing: Any) -> Row:
    """The guard trips at 0.30 s."""
    with stub() as server:
        server.on(JUDGE, verdict(trips=True))
        server.on(ANSWER, answer(**timing))
        generated = asyncio.ensure_future(_generated_at_verdict(server))
        seen = await mode(guarded())
        expect(seen.output, REFUSAL)
        await server.until(lambda log: log.open_requests == 0)
        (judged,), (written,) = find(server, JUDGE), find(server, ANSWER)
        return {
            "refusal after verdict, ms": ms(seen.ended - (judged.ended or 0)),
            "tokens seen": len(seen.tokens),
            "tokens generated after verdict": written.generated - await generated,
            "closed after verdict, ms": ms((written.closed_at or 0) - (judged.ended or 0)),
        }


async def _generated_at_verdict(server: StubServer) -> int:
    while True:
        if (judged := find(server, JUDGE)) and judged[0].ended is not None:
            return sum(record.generated for record in find(server, ANSWER))
        await asyncio.sleep(0.001)


async def passing(mode: Mode, *, streams: bool) -> Row:
    """The guard passes the input at 0.30 s."""
    with stub() as server:
        server.on(JUDGE, verdict(trips=False))
        server.on(ANSWER, answer())
        seen = await mode(guarded())
        (judged,), (written,) = find(server, JUDGE), find(server, ANSWER)
        expect(len(seen.output.split()), TOKENS)
        row = {"total beyond model's, ms": ms(seen.ended - (written.ended or 0))}
        if streams:
            due = max(judged.ended or 0, written.first_token or 0)
            row["first token late by, ms"] = ms(seen.tokens[0] - due)
        return row


async def _denied(
    guards: list[Guard], replies: dict[str, Reply], due: Callable[[float, StubServer], float]
) -> Row:
    with stub() as server:
        for text, reply in replies.items():
            server.on(text, reply)
        server.on(ANSWER, answer())
        began = time.monotonic()
        graph = guarded(guards)
        state: dict[str, Any] = await graph.ainvoke({"input": "x"})
        ended = time.monotonic()
        expect(state["output"], REFUSAL)
        await server.until(lambda log: log.open_requests == 0, CLOSED_WITHIN)
        closed = [r for r in server.requests if r.status == "client_closed"]
        return {
            "refusal late by, ms": ms(ended - due(began, server)),
            "requests closed": len(closed),
            f"verdict {state['report']['verdict']}": 1,
        }


def _end_of(text: str) -> Callable[[float, StubServer], float]:
    return lambda _, server: find(server, text)[0].ended or 0


async def hanging_guard() -> Row:
    """The guard never answers, and its deadline is 0.30 s."""
    guards = [Guard("g", JUDGE, timeout=0.3)]
    replies = {JUDGE: Reply("", gate="never")}
    return await _denied(guards, replies, lambda began, _: began + 0.3)


def failing_guard(reply: Reply) -> Callable[[], Awaitable[Row]]:
    """The guard fails at 0.30 s."""

    async def case() -> Row:
        return await _denied([], {JUDGE: reply}, _end_of(JUDGE))

    return case


async def other_never_answers() -> Row:
    """A trips at 0.30 s, and B never answers."""
    guards = [Guard("a", "Judge A."), Guard("b", "Judge B.", timeout=60)]
    replies = {"Judge A.": verdict(trips=True), "Judge B.": Reply("", gate="never")}
    return await _denied(guards, replies, _end_of("Judge A."))


async def error_then_trip() -> Row:
    """A errors at 0.1 s and is allowed, B trips at 0.30 s."""
    guards = [Guard("a", "Judge A.", on_error="allow"), Guard("b", "Judge B.")]
    replies = {"Judge A.": Reply(status=400, delay=0.1), "Judge B.": verdict(trips=True)}
    return await _denied(guards, replies, _end_of("Judge B."))


async def sync_guards() -> Row:
    """Five plain functions that each block 0.3 s."""

    def block(_: str) -> bool:
        time.sleep(0.3)
        return True

    stalls: list[float] = []

    async def beat() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            stalls.append(time.monotonic() - before - 0.001)

    graph = guarded([Guard(f"g{i}", run=block) for i in range(5)], str, verdict="all")
    beating = asyncio.ensure_future(beat())
    seen_at = time.monotonic()
    seen = await ainvoke(graph)
    beating.cancel()
    return {"verdict at, ms": ms(seen.ended - seen_at), "longest stall, ms": ms(max(stalls))}


async def side_effects() -> Row:
    """A tool that waits for the verdict is called at 0.1 s, and the guard trips at 0.30 s."""
    paid: list[str] = []

    async def pay(text: str) -> str:
        paid.append(text)
        return "paid"

    async def agent(text: str) -> str:
        await asyncio.sleep(0.1)
        return await after_verdict(pay)(text)

    with stub() as server:
        server.on(JUDGE, verdict(trips=True))
        state: dict[str, Any] = await guarded(respond=agent).ainvoke({"input": "x"})
        expect(state["output"], REFUSAL)
        return {"side effects": len(paid)}


async def caller_leaves() -> Row:
    """The caller closes the stream at its fifth token."""
    tasks = asyncio.all_tasks()
    with stub() as server:
        server.on(JUDGE, verdict(trips=False))
        server.on(ANSWER, answer())
        graph: Graph = guarded()
        stream = graph.astream({"input": "x"}, stream_mode="messages")
        for _ in range(5):
            await anext(stream)
        left = time.monotonic()
        await stream.aclose()  # type: ignore[attr-defined]
        await server.until(lambda log: log.open_requests == 0, CLOSED_WITHIN)
        closed = max(record.ended or 0 for record in server.requests)
        await asyncio.sleep(PER_TOKEN)
        return {
            "closed after leaving, ms": ms(closed - left),
            "tasks left": len(asyncio.all_tasks() - tasks),
        }


PLAIN: dict[str, Callable[[], Awaitable[Row]]] = {
    "guard hangs, deadline 0.3 s": hanging_guard,
    "guard answers 500": failing_guard(Reply(status=500, delay=0.3)),
    "guard closes the connection": failing_guard(Reply(delay=0.3, drop=True)),
    "guard answers nonsense": failing_guard(Reply("well", delay=0.3)),
    "A trips, B never answers": other_never_answers,
    "A errors (allowed), B trips": error_then_trip,
    "five sync guards of 0.3 s": sync_guards,
    "tool call at 0.1 s, trip at 0.3 s": side_effects,
    "caller leaves mid-stream": caller_leaves,
}
