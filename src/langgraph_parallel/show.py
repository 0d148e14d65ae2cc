"""Shows runs and reports, in a terminal and in a notebook.

Both come with `pip install 'langgraph-parallel[plot]'`.
"""

from collections.abc import Mapping
from contextlib import aclosing, closing
from importlib import import_module
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_config
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode
from rich.console import Console

from langgraph_parallel.graphs.closing import closing_stream
from langgraph_parallel.progress import Progress, progress
from langgraph_parallel.terminal import ReportView
from langgraph_parallel.wording import problems, report_of

Graph = CompiledStateGraph[Any, Any, Any, Any]

_MODES: list[StreamMode] = ["custom", "values"]
_INTERRUPT = "__interrupt__"


def show(report: Mapping[str, Any]) -> None:
    """Draw a report: pictures in a notebook, else rich text on standard output.

    The timeline of the branches, with the moment of the decision or verdict; of a vote the votes,
    of sections a table of what each gave; and why branches failed.

    Args:
        report: The `report` of any pattern, also one that an error carries; or the result of a
            run, which has it.

    Raises:
        ValueError: It is neither.
        ModuleNotFoundError: This is a notebook, and matplotlib is not installed.

    Example:
        ```python
        show(result["report"])
        ```
    """
    report = report_of(report)
    console = Console(highlight=False)
    if not console.is_jupyter:
        console.print(ReportView(report))
        return
    try:
        figures = import_module("langgraph_parallel.figures")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"Pictures need the package {error.name}, which is not installed. Run "
            "`pip install 'langgraph-parallel[plot]'`, or print `timeline(report)`."
        ) from error
    import_module("IPython.display").display(*figures.draw(report))
    for line in problems(report):
        console.print(line, markup=False)


def watch(
    graph: Graph, value: Any, config: RunnableConfig | None = None, *, context: Any = None
) -> Any:
    """Run a graph like `invoke`, and show its branches at work.

    A line per branch: live on a terminal (on standard error) and in a notebook, elsewhere as each
    ends. The branches of nested patterns are shown too, but for those within a guarded answer,
    which show nothing before the verdict.

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
    following = _Following(graph)
    parts: Any = closing_stream(graph.stream, value, config, context=context, **following.options)
    with following.shown, closing(parts):
        for part in parts:
            following.take(part)
    return following.result()


async def awatch(
    graph: Graph, value: Any, config: RunnableConfig | None = None, *, context: Any = None
) -> Any:
    """Run a graph like `ainvoke`, and show its branches at work; see `watch`."""
    following = _Following(graph)
    parts: Any = graph.astream(value, config, context=context, **following.options)
    with following.shown:
        async with aclosing(parts):
            async for part in parts:
                following.take(part)
    return following.result()


class _Following:
    """Follows the stream of a run: shows its branches, and puts together what it gives."""

    def __init__(self, graph: Graph) -> None:
        self.options: dict[str, Any] = {
            "stream_mode": _MODES,
            "subgraphs": True,
            "output_keys": graph.output_channels,
        }
        self.shown: Progress = progress()
        self._here = _own_namespace()
        self._state: Any = None
        self._interrupts: list[Any] = []

    def take(self, part: Any) -> None:
        """Take in a part of the stream."""
        namespace, mode, item = part
        if mode == "custom":
            self.shown.tell(item)
        elif namespace == self._here:
            if isinstance(item, dict) and _INTERRUPT in item:
                self._interrupts += item[_INTERRUPT]
                item = {key: part for key, part in item.items() if key != _INTERRUPT} or self._state
            self._state = item

    def result(self) -> Any:
        """Give what `invoke` would give."""
        if not self._interrupts:
            return self._state
        state = self._state if isinstance(self._state, dict) else {}
        return {**state, _INTERRUPT: self._interrupts}


def _own_namespace() -> tuple[str, ...]:
    """Give the place of a run that is started here; not empty inside of a node."""
    try:
        namespace = get_config().get("configurable", {}).get("checkpoint_ns", "")
    except RuntimeError:  # not within a run
        namespace = ""
    return tuple(namespace.split("|")) if namespace else ()
