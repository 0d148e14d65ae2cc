"""Graphs whose sync streams end their calls when the caller stops reading."""

from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from langgraph_parallel.nodes.loop import cancel_all, own_calls


class ClosingGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph of this library.

    LangGraph waits for the threads of a sync stream that is closed early: here their calls are
    cancelled first. Async streams need no such help.
    """

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Stream as any graph does; close the stream, and all calls are cancelled."""
        context = copy_context()
        calls = context.run(own_calls)
        stream = context.run(super().stream, *args, **kwargs)
        try:
            while (item := context.run(next, stream, stream)) is not stream:
                yield item
        except GeneratorExit:
            cancel_all(calls)
            raise
        finally:
            context.run(stream.close)  # type: ignore[attr-defined]
