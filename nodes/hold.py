"""Holds an answer back while it is being written.

The answer's pieces go into a bounded queue. Once the verdict allows it they come out, through a
chat model that only passes them on: so LangGraph's `messages` stream shows them then, not before.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import PrivateAttr

from langgraph_parallel.nodes.calls import plain
from langgraph_parallel.nodes.cancel import end
from langgraph_parallel.nodes.meter import PASSED_ON
from langgraph_parallel.nodes.source import Whole, piece_text

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
