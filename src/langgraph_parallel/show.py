"""Shows runs and reports, in a terminal and in a notebook.

Both come with `pip install 'langgraph-parallel[plot]'`.
"""

from collections.abc import Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode
from rich.console import Console

from langgraph_parallel.progress import Progress, progress
from langgraph_parallel.terminal import ReportView

Graph = CompiledStateGraph[Any, Any, Any, Any]

_MODES: list[StreamMode] = ["custom", "values"]


def show(report: Mapping[str, Any]) -> None:
    """Draw a report: pictures in a notebook, else rich text on standard output.

    The timeline of the branches, with the moment of the decision or verdict; of a vote the votes,
    of sections a table of what each gave; and why branches failed.

    Args:
        report: The `report` of any pattern, also one that an error carries.

    Example:
        ```python
        show(result["report"])
        ```
    """
    console = Console(highlight=False)
    if not console.is_jupyter:
        console.print(ReportView(report))
        return
    from langgraph_parallel.figures import draw  # noqa: PLC0415  # a terminal needs no matplotlib

    import_module("IPython.display").display(*draw(report))


def watch(
    graph: Graph, value: Any, config: RunnableConfig | None = None, *, context: Any = None
) -> Any:
    """Run a graph like `invoke`, and show its branches at work.

    A line per branch: live on a terminal (on standard error) and in a notebook, elsewhere as each
    ends. The branches of nested patterns are shown too.

    Args:
        graph: A pattern, or a graph of yours with patterns in it.
        value: Its input.
        config: Its config.
        context: Its context.

    Returns:
        What `invoke` returns.

    Raises:
        Exception: What the run raises.

    Example:
        ```python
        result = watch(review, {"input": "def f(x): return eval(x)"})
        ```
    """
    state: Any = None
    with progress() as shown:
        for part in graph.stream(
            value, config, context=context, stream_mode=_MODES, subgraphs=True
        ):
            state = _take(part, shown, state)
    return state


async def awatch(
    graph: Graph, value: Any, config: RunnableConfig | None = None, *, context: Any = None
) -> Any:
    """Run a graph like `ainvoke`, and show its branches at work; see `watch`."""
    state: Any = None
    items = graph.astream(value, config, context=context, stream_mode=_MODES, subgraphs=True)
    with progress() as shown:
        async with aclosing(items):  # type: ignore[type-var]
            async for part in items:
                state = _take(part, shown, state)
    return state


def _take(part: Any, shown: Progress, state: Any) -> Any:
    """Show what a part tells of a branch; give the state after it."""
    namespace, mode, item = part
    if mode == "custom":
        shown.tell(item)
        return state
    return state if namespace else item
