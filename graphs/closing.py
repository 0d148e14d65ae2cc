"""Sync runs that end their calls when the caller stops reading, or presses Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from types import FrameType
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from langgraph_parallel.nodes.loop import Calls, cancel_all, own_calls


class ClosingGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph of this library.

    LangGraph waits for the threads of a sync run that is closed early, or interrupted by Ctrl-C:
    here their calls are cancelled first. Async runs need no such help.
    """

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Stream as any graph does; close the stream, and all calls are cancelled."""
        yield from closing_stream(super().stream, *args, **kwargs)

    def batch(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Run for several inputs as any graph does; Ctrl-C cancels the calls of all."""
        context = copy_context()
        with _interruptible(context.run(own_calls)):
            return context.run(super().batch, *args, **kwargs)


def closing_stream(
    stream_of: Callable[..., Iterator[Any]], *args: Any, **kwargs: Any
) -> Iterator[Any]:
    """Stream a graph; when the stream is closed or interrupted, the patterns in it end their calls.

    Args:
        stream_of: The graph's `stream`.
        *args: Its arguments.
        **kwargs: Its arguments.

    Yields:
        What it yields.
    """
    context = copy_context()
    calls = context.run(own_calls)
    stream = context.run(stream_of, *args, **kwargs)
    try:
        while True:
            with _interruptible(calls):
                item = context.run(next, stream, stream)
            if item is stream:
                return
            yield item
    except GeneratorExit:
        cancel_all(calls)
        raise
    finally:
        context.run(stream.close)  # type: ignore[attr-defined]


@contextmanager
def _interruptible(calls: Calls) -> Iterator[None]:
    """Have Ctrl-C cancel the calls, as `asyncio.run` does, unless the host handles it itself."""
    default = signal.default_int_handler
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not default:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        cancel_all(calls)
        default(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, default)
