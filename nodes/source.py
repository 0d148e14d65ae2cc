"""Where a guarded answer comes from: the pieces of a Runnable, a compiled graph or a function."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.pregel import Pregel
from langgraph.runtime import Runtime

from langgraph_parallel.nodes.calls import from_graph, run, to_graph, wanted
from langgraph_parallel.nodes.held_saver import HeldSaver
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.prompts import input_text, is_conversation
from langgraph_parallel.nodes.threads import each_in_thread
from langgraph_parallel.nodes.tracing import tracers_only

Keep = Callable[[], Awaitable[None]]
"""Saves what an agent wants to remember of its answer; called once the answer may be given."""


class Whole:
    """Marks the last item of a source that gives its whole answer beside the pieces."""

    def __init__(self, output: Any, keep: Keep | None = None) -> None:
        self.output = output
        self.keep = keep


def source_config(config: RunnableConfig, meter: Meter) -> RunnableConfig:
    """Make a config with which the answer's calls reach tracers and meters, but no stream."""
    own = config.get("configurable", {})
    return RunnableConfig(
        callbacks=tracers_only(config.get("callbacks"), meter),
        metadata=dict(config.get("metadata") or {}),
        configurable={key: part for key, part in own.items() if not _is_langgraphs(key)},
    )


async def stream_of(
    target: Any, value: Any, config: RunnableConfig, runtime: Runtime[Any]
) -> AsyncIterator[Any]:
    """Stream the answer of a Runnable, a compiled graph or a function.

    Args:
        target: A Runnable, a compiled graph, or a sync or async function or generator function.
        value: Its input.
        config: See `source_config`.
        runtime: LangGraph's runtime, for functions that ask for it.

    Yields:
        Pieces (text or message chunks), at last a `Whole` if the answer is more than its pieces.
    """
    runtime = runtime.override(stream_writer=_write_nothing)
    if isinstance(target, Pregel):
        pieces = _stream_of_graph(target, value, config, runtime)
    elif isinstance(target, Runnable):
        is_model = isinstance(target, BaseChatModel) and not is_conversation(value)
        pieces = target.astream(input_text(value) if is_model else value, config)
    elif inspect.isasyncgenfunction(target) or inspect.isgeneratorfunction(target):
        var_child_runnable_config.set(config)  # for calls that it makes without a config
        extra = wanted(target, {"config": config, "runtime": runtime})
        if inspect.isasyncgenfunction(target):
            pieces = target(value, **extra)
        else:
            pieces = each_in_thread(target, value, **extra)
    else:
        pieces = _each([Whole(await run(target, value, config, runtime))])
    async with aclosing(pieces):  # type: ignore[type-var]
        async for piece in pieces:
            yield piece


async def _stream_of_graph(
    graph: Pregel[Any, Any, Any, Any],
    value: Any,
    config: RunnableConfig,
    runtime: Runtime[Any],
) -> AsyncIterator[Any]:
    state: Any = None
    keep: Keep | None = None
    if isinstance(graph.checkpointer, BaseCheckpointSaver):
        saver = HeldSaver(graph.checkpointer)
        graph, keep = graph.copy({"checkpointer": saver}), saver.write
    stream = graph.astream(
        to_graph(graph, value),
        config,
        context=runtime.context,
        stream_mode=["messages", "values"],
    )
    async for mode, item in stream:
        if mode == "values":
            state = item
            if isinstance(item, dict) and "__interrupt__" in item:
                raise RuntimeError(
                    "The response paused for an interrupt, which cannot be answered inside a "
                    "guardrail. Put the node that interrupts behind the guardrail."
                )
        elif isinstance(item, tuple) and isinstance(item[0], AIMessageChunk):
            yield item[0]
    yield Whole(from_graph(graph, state), keep)


def _write_nothing(event: Any) -> None:
    """Stand in for the stream writer: what the answer writes must not show before the verdict."""


async def _each(pieces: Iterable[Any]) -> AsyncIterator[Any]:
    for piece in pieces:
        yield piece


def piece_text(piece: Any) -> str:
    """Give the text of a piece.

    Raises:
        TypeError: The piece is no text and no message.
    """
    if isinstance(piece, str):
        return piece
    if isinstance(piece, (BaseMessage, BaseMessageChunk)):
        return str(piece.text)
    raise TypeError(
        f"The response streamed a {type(piece).__name__}. Stream text or messages, or return the "
        "whole answer."
    )


def _is_langgraphs(key: str) -> bool:
    return key.startswith(("__", "checkpoint"))
