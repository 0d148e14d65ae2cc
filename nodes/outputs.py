"""An answer on its way through the output guards: whole, or in windows while it is written."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec
from langgraph_parallel.nodes.hold import Answer
from langgraph_parallel.nodes.source import Whole

Judge = Callable[[Any], Awaitable[Any]]
"""Gives the text as it may leave, or raises."""


async def judged(
    source: AsyncIterator[Any], judge: Judge, spec: GuardrailSpec
) -> AsyncIterator[Any]:
    """Judge an answer while it is being written.

    Args:
        source: The answer's pieces, as of `stream_of`.
        judge: Judges a text.
        spec: The guardrail's options: the window, the look-back, the bound on what is held.

    Yields:
        Pieces that may leave, at last a `Whole`.

    Raises:
        DeniedError: The guards denied a part; the source is closed.
        Exception: What the source raised.
    """
    raw = Answer(spec.max_held)
    async with raw.written_by(source):
        left: list[str] = []
        if spec.output_window is None:
            async for _ in raw.read():
                pass
        else:
            windows = _in_windows(raw.read(), judge, spec.output_window, spec.output_lookback)
            async with aclosing(windows):
                async for piece in windows:
                    left.append(piece)
                    yield piece
        if left and raw.output == raw.text:
            yield Whole("".join(left), raw.keep)
            return
        # It was not judged in windows, or is more than they: data, or the last of several messages.
        output = await judge(raw.output)
        if not left and isinstance(output, str) and output:
            yield output
        yield Whole(output, raw.keep)


async def _in_windows(
    pieces: AsyncGenerator[str, None], judge: Judge, size: int, lookback: int
) -> AsyncGenerator[str, None]:
    """Judge a text window by window, and release it but for the last of each.

    The last `lookback` characters stay, and are judged again with the next window: so a match that
    a border cuts is seen whole before any of it is released. While a rewrite reaches into them,
    more text is awaited.
    """
    waiting, fresh = "", 0
    async with aclosing(pieces):
        async for piece in pieces:
            waiting += piece
            fresh += len(piece)
            if fresh < size or len(waiting) <= lookback:
                continue
            fresh = 0
            passed = await judge(waiting)
            kept = waiting[len(waiting) - lookback :]
            if passed.endswith(kept):
                if out := passed[: len(passed) - len(kept)]:
                    yield out
                waiting = kept
    if waiting and (last := await judge(waiting)):
        yield last
