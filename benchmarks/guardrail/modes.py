"""The ways to run a guardrail, and the floor: the same by hand, without LangGraph."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from guardrail.scene import ANSWER, JUDGE, MODEL, REFUSAL, Graph, nested
from langgraph_parallel.nodes.models import get_model


@dataclass
class Seen:
    """What the caller saw of one run; times by `time.monotonic()`."""

    tokens: list[float] = field(default_factory=list[float])
    """When each token of the answer came."""
    output: Any = None
    ended: float = 0.0

    def token(self, text: str) -> None:
        """Note a token, unless it is of the refusal."""
        if text.strip() and REFUSAL not in text:
            self.tokens.append(time.monotonic())

    def end(self, output: Any) -> "Seen":
        """Note the end."""
        self.output, self.ended = output, time.monotonic()
        return self


Mode = Callable[[Graph], Awaitable[Seen]]
VALUE: Any = {"input": "x"}


async def invoke(graph: Graph) -> Seen:
    """`invoke`, in a thread."""
    seen = Seen()
    return await asyncio.to_thread(lambda: seen.end(graph.invoke(VALUE)["output"]))


async def ainvoke(graph: Graph) -> Seen:
    """`ainvoke`."""
    return Seen().end((await graph.ainvoke(VALUE))["output"])


async def stream(graph: Graph) -> Seen:
    """`stream` with four modes, in a thread."""
    seen = Seen()

    def work() -> Seen:
        output = None
        modes: Any = ["messages", "updates", "values", "custom"]
        items: Any = graph.stream(VALUE, stream_mode=modes)
        for mode, item in items:
            if mode == "messages":
                seen.token(item[0].text)
            elif mode == "values":
                output = item.get("output")
        return seen.end(output)

    return await asyncio.to_thread(work)


async def astream(graph: Graph) -> Seen:
    """`astream` with four modes and subgraphs."""
    seen, output = Seen(), None
    modes: Any = ["messages", "updates", "values", "custom"]
    ids: set[tuple[Any, str]] = set()
    stream: Any = graph.astream(VALUE, stream_mode=modes, subgraphs=True)
    async for _, mode, item in stream:
        if mode == "messages" and (item[0].id, item[0].text) not in ids:
            ids.add((item[0].id, item[0].text))
            seen.token(item[0].text)
        elif mode == "values":
            output = item.get("output")
    return seen.end(output)


async def events(graph: Graph) -> Seen:
    """`astream_events`, version 2."""
    seen, output = Seen(), None
    stream: Any = graph.astream_events(VALUE, version="v2")
    async for event in stream:
        if event["event"] == "on_chat_model_stream":
            seen.token(event["data"]["chunk"].text)
        elif event["event"] == "on_chain_end" and not event["parent_ids"]:
            output = event["data"]["output"]["output"]
    return seen.end(output)


async def batch(graph: Graph) -> Seen:
    """`batch` of one, in a thread."""
    seen = Seen()
    return await asyncio.to_thread(lambda: seen.end(graph.batch([VALUE])[0]["output"]))


async def two_deep(graph: Graph) -> Seen:
    """`astream` of a graph that has the guardrail two levels deep."""
    return await astream(nested(graph))


async def floor(_: Graph) -> Seen:
    """The same with the same client and two tasks, by hand, for one guard."""
    seen, model = Seen(), await get_model(MODEL)
    pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def write() -> None:
        async for chunk in model.astream([("system", ANSWER), ("user", "x")]):
            await pieces.put(chunk.text)
        await pieces.put(None)

    writing = asyncio.ensure_future(write())
    reply = await model.ainvoke([("system", JUDGE), ("user", "x")])
    if "true" in reply.text:
        writing.cancel()
        await asyncio.wait([writing])
        return seen.end(REFUSAL)
    text = ""
    while (piece := await pieces.get()) is not None:
        seen.token(piece)
        text += piece
    return seen.end(text)


MODES: dict[str, Mode] = {
    "floor": floor,
    "invoke": invoke,
    "ainvoke": ainvoke,
    "stream": stream,
    "astream": astream,
    "astream_events": events,
    "batch": batch,
    "two levels deep": two_deep,
}
STREAMING = ("floor", "stream", "astream", "astream_events", "two levels deep")
