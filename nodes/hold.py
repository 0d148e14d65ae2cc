"""Holds an answer back while it is being written.

The answer's pieces go into a bounded queue. Once the verdict allows it they come out, through a
chat model that only passes them on: so LangGraph's `messages` stream shows them then, not before.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.log_stream import LogStreamCallbackHandler
from langgraph.pregel import Pregel
from langgraph.runtime import Runtime
from pydantic import PrivateAttr

from langgraph_parallel.nodes.calls import from_graph, plain, run, to_graph, wanted
from langgraph_parallel.nodes.cancel import end
from langgraph_parallel.nodes.meter import PASSED_ON, Meter
from langgraph_parallel.nodes.prompts import input_text, is_conversation
from langgraph_parallel.nodes.threads import in_thread

HELD_PIECES = 1024
"""Pieces of the answer that wait for the verdict; then the model's stream is read no further."""


class Answer:
    """An answer in the making: its pieces, and in the end the whole of it."""

    def __init__(self) -> None:
        self.output: Any = None
        """The whole answer, plain data; set when the pieces have ended."""
        self.error: Exception | None = None
        """What the source raised."""
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue(HELD_PIECES)
        self.failed = asyncio.Event()
        self._left = 0

    @asynccontextmanager
    async def written_by(self, source: AsyncIterator[Any]) -> AsyncIterator[None]:
        """Read the source in the background while the block runs, and close it at the end."""
        writer = asyncio.ensure_future(self._read(source))
        try:
            yield
        finally:
            await end([writer])

    async def _read(self, source: AsyncIterator[Any]) -> None:
        # The answer's own calls belong to no node: their tokens must not reach the graph's streams.
        var_child_runnable_config.set(None)
        text: list[str] = []
        try:
            async with aclosing(source):  # type: ignore[type-var]
                async for piece in source:
                    if isinstance(piece, Whole):
                        self.output = plain(piece.output)
                        continue
                    content = piece_text(piece)
                    if content:
                        text.append(content)
                        await self.pieces.put(content)
        except Exception as error:
            self.error = error
            self.failed.set()
            await self.pieces.put(None)
            return
        whole = "".join(text)
        if self.output is None:
            self.output = whole
        if not text and isinstance(self.output, str) and self.output:
            await self.pieces.put(self.output)
        await self.pieces.put(None)

    async def read(self) -> AsyncIterator[str]:
        """Give the pieces as they come.

        Raises:
            Exception: What the source raised, before it gave a piece.
            BrokenAnswerError: The source failed after pieces had left: a retry would repeat them.
        """
        while (piece := await self.pieces.get()) is not None:
            self._left += len(piece)
            yield piece
        if self.error is not None and self._left:
            raise BrokenAnswerError(
                f"The answer broke off after {self._left} characters: {self.error}"
            ) from self.error
        if self.error is not None:
            raise self.error

    async def release(self, released: asyncio.Event) -> None:
        """Wait until pieces may leave, or the source has failed before that.

        Raises:
            Exception: What the source raised.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (released, self.failed)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.error is not None:  # nothing has left yet: a retry repeats nothing
            raise self.error


class BrokenAnswerError(RuntimeError):
    """An answer that failed after a part of it had left."""


class Whole:
    """Marks the last item of a source that gives its whole answer beside the pieces."""

    def __init__(self, output: Any) -> None:
        self.output = output


class Released(BaseChatModel):
    """A chat model that passes on an answer's pieces once they are released."""

    _answer: Answer = PrivateAttr()
    _released: asyncio.Event | None = PrivateAttr()

    def __init__(self, answer: Answer, released: asyncio.Event | None) -> None:
        super().__init__(tags=[PASSED_ON], cache=False)
        self._answer = answer
        self._released = released

    @property
    def _llm_type(self) -> str:
        return "released"

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._released is not None:
            await self._answer.release(self._released)
        empty = True
        async for piece in self._answer.read():
            empty = False
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager:
                await run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        if empty:  # an answer of data only, or none: a chat model must give something
            yield ChatGenerationChunk(message=AIMessageChunk(content=""))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        pieces = [chunk.text async for chunk in self._astream(messages, run_manager=run_manager)]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(pieces)))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("An answer is released by async code only.")


def source_config(config: RunnableConfig, meter: Meter) -> RunnableConfig:
    """Make a config with which the answer's calls reach tracers and meters, but no stream."""
    callbacks = config.get("callbacks")
    handlers = callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
    silent = [
        handler
        for handler in handlers
        if isinstance(handler, (BaseTracer, Meter))
        and not isinstance(handler, LogStreamCallbackHandler)  # a tracer that is a stream
    ]
    own = config.get("configurable", {})
    return RunnableConfig(
        callbacks=[*silent, meter],
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
            pieces = _each(await in_thread(lambda: list(target(value, **extra))))
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
    yield Whole(from_graph(graph, state))


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
