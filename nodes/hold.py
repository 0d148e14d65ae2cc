"""Holds an answer back while it is being written.

The answer's pieces go into a bounded queue. Once the verdict allows it they come out, through a
chat model that only passes them on: so LangGraph's `messages` stream shows them then, not before.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import PrivateAttr

from langgraph_parallel.nodes.calls import plain
from langgraph_parallel.nodes.cancel import end
from langgraph_parallel.nodes.meter import PASSED_ON
from langgraph_parallel.nodes.source import Keep, Whole, piece_text
from langgraph_parallel.nodes.tracing import without_tracers


class Answer:
    """An answer in the making: its pieces, and in the end the whole of it."""

    def __init__(self, max_held: int) -> None:
        """Begin an answer.

        Args:
            max_held: Pieces that wait to be read; then the source is read no further.
        """
        self.output: Any = None
        """The whole answer, plain data; set when the pieces have ended."""
        self.text = ""
        """All pieces together; set when they have ended."""
        self.keep: Keep | None = None
        """Saves what the source wants to remember of the answer."""
        self.error: Exception | None = None
        """What the source raised."""
        self.pieces: asyncio.Queue[str | None] = asyncio.Queue(max_held)
        self.failed = asyncio.Event()

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
                        self.output, self.keep = plain(piece.output), piece.keep
                        continue
                    content = piece_text(piece)
                    if content:
                        text.append(content)
                        await self.pieces.put(content)
        except Exception as error:
            self._fail(error)
            return
        except asyncio.CancelledError:  # perhaps from within; else nobody reads on
            self._fail(RuntimeError("The answer was cancelled from within."))
            raise
        self.text = "".join(text)
        if self.output is None:
            self.output = self.text
        if not text and isinstance(self.output, str) and self.output:
            await self.pieces.put(self.output)
        await self.pieces.put(None)

    def _fail(self, error: Exception) -> None:
        self.error = error
        self.failed.set()
        with suppress(asyncio.QueueFull):  # then the reader is not waiting
            self.pieces.put_nowait(None)

    async def read(self) -> AsyncGenerator[str, None]:
        """Give the pieces as they come.

        Raises:
            Exception: What the source raised.
        """
        while not (self.failed.is_set() and self.pieces.empty()):
            piece = await self.pieces.get()
            if piece is None:
                break
            yield piece
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


def new_message_id() -> str:
    """Make the id of a message that is yet to be written."""
    return f"guarded-{uuid.uuid4()}"


class BrokenAnswerError(RuntimeError):
    """An answer that failed after a part of it had left: a retry would repeat that part."""


class DeniedError(Exception):
    """Guards of the answer denied it while it was being written."""


class Released(BaseChatModel):
    """A chat model that passes on an answer's pieces once they are released.

    Its message has the id that it was made with, so that a refusal can go on with it.
    """

    _answer: Answer = PrivateAttr()
    _released: asyncio.Event | None = PrivateAttr()
    _id: str = PrivateAttr(default_factory=new_message_id)
    _left: list[str] = PrivateAttr(default_factory=list)

    def __init__(
        self, answer: Answer, released: asyncio.Event | None, message_id: str | None = None
    ) -> None:
        super().__init__(tags=[PASSED_ON], cache=False)
        self._answer = answer
        self._released = released
        if message_id is not None:
            self._id = message_id

    @property
    def message_id(self) -> str:
        """Id of the message that it passes on."""
        return self._id

    @property
    def left(self) -> str:
        """What has left so far."""
        return "".join(self._left)

    async def pass_on(self, messages: list[BaseMessage], config: RunnableConfig) -> None:
        """Pass the answer on to the graph's streams.

        Args:
            messages: What was asked, for handlers of the user's.
            config: The node's config.

        Raises:
            Exception: What the source raised.
        """
        chunks = self.astream(messages, without_tracers(config))
        async with aclosing(chunks):  # type: ignore[type-var]
            async for _ in chunks:
                pass

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
        async for piece in self._pieces():
            yield await self._chunk(piece, run_manager)
        # An end of its own: LangChain would add one with another id.
        yield await self._chunk("", run_manager, chunk_position="last")

    async def _chunk(
        self, piece: str, run_manager: AsyncCallbackManagerForLLMRun | None, **more: Any
    ) -> ChatGenerationChunk:
        message = AIMessageChunk(content=piece, id=self._id, **more)
        chunk = ChatGenerationChunk(message=message)
        if run_manager:
            await run_manager.on_llm_new_token(piece, chunk=chunk)
        return chunk

    async def _pieces(self) -> AsyncIterator[str]:
        try:
            async for piece in self._answer.read():
                self._left.append(piece)
                yield piece
        except DeniedError:  # the refusal takes the place of the rest
            if not self._left:
                raise
        except Exception as error:
            if not self._left:
                raise
            raise BrokenAnswerError(
                f"The answer broke off after {len(self.left)} characters: {error}"
            ) from error

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        pieces = [chunk.text async for chunk in self._astream(messages, run_manager=run_manager)]
        return ChatResult(
            generations=[ChatGeneration(message=AIMessage("".join(pieces), id=self._id))]
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("An answer is released by async code only.")


async def say(text: str, message_id: str, config: RunnableConfig) -> None:
    """Show a text that is ready in the graph's `messages` stream.

    Args:
        text: The text.
        message_id: The message's id.
        config: The node's config.
    """
    answer = Answer(2)
    await answer.pieces.put(text)
    await answer.pieces.put(None)
    await Released(answer, None, message_id).pass_on([], config)
