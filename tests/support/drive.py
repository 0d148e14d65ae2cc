"""Ways to run a graph, and to look at what came out of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Interrupt
from pydantic import SecretStr
from stub_server import StubServer

T = TypeVar("T")

Graph: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]

KEY = "sk-stub-0123456789"
"""The API key that the `server` fixture sets; no error may show it."""

MODEL = "openai:stub-model"
"""A model of the stub server, where the `server` fixture is used."""

MODES = ("invoke", "ainvoke", "stream", "astream", "batch", "abatch")
"""All ways to run a graph; `run` knows them."""

STREAMS = ("stream", "astream")
"""The ways that show what happens on the way; `events` knows them."""

_TIMES = {"seconds", "started", "first_token", "seconds_saved", "dispatch"}
_COME_FAR = {"usage", "attempts"}


NOT_KEPT = {"Connection": "close"}
"""Headers for a model whose client nobody closes: it then leaves no open connection behind."""


def chat_model(server: StubServer, name: str = "stub-model", **options: Any) -> ChatOpenAI:
    """Make a chat model of the user's own that talks to the stub server."""
    return ChatOpenAI(
        model=name,
        base_url=server.url + "/v1",
        api_key=SecretStr("stub"),
        max_retries=0,
        default_headers=NOT_KEPT,
        **options,
    )


def run(
    graph: Graph, value: Any, mode: str = "invoke", config: RunnableConfig | None = None
) -> dict[str, Any]:
    """Run a graph in one of the modes and give its output state."""
    if mode == "invoke":
        return dict(graph.invoke(value, config))
    if mode == "ainvoke":
        return dict(asyncio.run(graph.ainvoke(value, config)))
    if mode in STREAMS:
        last = events(graph, value, mode, "values", config)[-1]
        return {key: last[key] for key in graph.get_output_jsonschema()["properties"]}
    if mode == "batch":
        states = graph.batch([value, value], config)
    else:
        states = asyncio.run(graph.abatch([value, value], config))
    assert timeless(states[0]) == timeless(states[1])
    return dict(states[0])


def events(
    graph: Graph,
    value: Any,
    mode: str,
    stream_mode: Any,
    config: RunnableConfig | None = None,
    **options: Any,
) -> list[Any]:
    """Stream a graph to its end and give everything that came."""
    if mode == "stream":
        return list(graph.stream(value, config, stream_mode=stream_mode, **options))
    return asyncio.run(collect(graph.astream(value, config, stream_mode=stream_mode, **options)))


async def collect(stream: AsyncIterator[T]) -> list[T]:
    """Read a stream to its end."""
    return [item async for item in stream]


def timeless(state: Any) -> Any:
    """Take out of a state what differs from run to run: times, ids, what cancelled calls cost."""
    if isinstance(state, dict):
        chance = _TIMES | _COME_FAR if _has_cancelled(state) else _TIMES
        return {key: timeless(part) for key, part in state.items() if key not in chance}
    if isinstance(state, BaseMessage):
        return (state.type, state.content)
    if isinstance(state, Interrupt):
        return state.value
    return [timeless(part) for part in state] if isinstance(state, list) else state


def _has_cancelled(state: dict[str, Any]) -> bool:
    return state.get("status") == "cancelled" or any(
        branch["status"] == "cancelled" for branch in state.get("branches", ())
    )


def tokens(stream: list[Any]) -> list[str]:
    """Give the texts of a `messages` stream."""
    return [message.text for message, _ in stream if message.text]


def statuses(state: dict[str, Any]) -> dict[str, str]:
    """Give the status of each branch by name."""
    return {branch["name"]: branch["status"] for branch in state["report"]["branches"]}


def in_background(function: Callable[[], T]) -> "Future[T]":
    """Run a function in a thread of its own."""
    future: Future[T] = Future()

    def target() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=target, daemon=True).start()
    return future


class Meeting:
    """A point at which calls wait until a number of them are there at once.

    Plain functions meet in `wait`, async ones in `join`. Who waits in vain gets an error.
    """

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)
        self._here = 0
        self._number = number
        self._all_here = asyncio.Event()

    def wait(self, *_: Any) -> str:
        self._barrier.wait(5)
        return "met"

    async def join(self, *_: Any) -> str:
        self._here += 1
        if self._here == self._number:
            self._all_here.set()
        await asyncio.wait_for(self._all_here.wait(), 5)
        return "met"


def each(stream: Iterator[T], action: Callable[[T], object]) -> list[T]:
    """Read a stream and act on each item as it comes."""
    items = []
    for item in stream:
        items.append(item)
        action(item)
    return items
