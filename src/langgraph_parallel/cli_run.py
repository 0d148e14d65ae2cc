"""Runs a graph for a command: progress, tokens as they come, exit codes."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn

import typer
from langchain_core.messages import AIMessageChunk
from langgraph.graph.state import CompiledStateGraph

from langgraph_parallel.cli_progress import Progress, progress
from langgraph_parallel.cli_show import for_terminal, note_on, report_text
from langgraph_parallel.errors import BranchFailedError, SetupError, UndecidedError
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.models import check_model

FAILED, USAGE, FLAGGED, INTERRUPTED = 1, 2, 3, 130

Graph = CompiledStateGraph[Any, Any, Any, Any]
State = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """What the running commands have in common."""

    model: str | None = None
    as_json: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check the model's name before anything is read or called.

        Raises:
            SetupError: It has no known form.
            ModelUnavailableError: It cannot be used on this machine.
        """
        check_model(self.model)


def fail(message: str, code: int) -> NoReturn:
    """Say on standard error what went wrong, and exit.

    Raises:
        typer.Exit: Always.
    """
    typer.echo(f"Error: {for_terminal(message)}", err=True)
    raise typer.Exit(code)


def fail_with(error: BaseException, *, quiet: bool = True) -> NoReturn:
    """Exit for an error, with what its run found unless it is to be quiet.

    Raises:
        typer.Exit: Always.
    """
    if isinstance(error, (BranchFailedError, UndecidedError)) and error.report and not quiet:
        typer.echo(report_text(error.report) + "\n", err=True)
    fail(explain(error), USAGE if isinstance(error, SetupError) else FAILED)


def run(
    graph: Graph,
    value: Any,
    settings: Any,
    options: Options,
    answer: Callable[[State], str],
    *,
    streams: bool = False,
) -> State:
    """Run a graph, and show its answer and report.

    The answer goes to standard output, everything else to standard error.

    Args:
        graph: The graph.
        value: Its input.
        settings: Its context.
        options: What to show.
        answer: Gives the text of the answer from the output state.
        streams: Whether the answer's tokens may be shown as they come.

    Returns:
        The output state.

    Raises:
        typer.Exit: The run failed.
    """
    echo = Echo(active=streams and not options.as_json)
    state = execute(graph, value, settings, options, echo)
    if options.as_json:
        is_utf = (sys.stdout.encoding or "").lower().startswith("utf")
        typer.echo(json.dumps(state, indent=2, ensure_ascii=not is_utf))
        return state
    echo.end_with(answer(state))
    if not options.quiet:
        typer.echo("\n" + report_text(state["report"]), err=True)
    if note := note_on(state["report"]):
        typer.echo(note, err=True)
    return state


def execute(graph: Graph, value: Any, settings: Any, options: Options, echo: "Echo") -> State:
    """Run a graph to its end, with progress on standard error.

    Args:
        graph: The graph.
        value: Its input.
        settings: Its context.
        options: What to show.
        echo: Gets the answer's tokens as they come.

    Returns:
        The output state.

    Raises:
        typer.Exit: The run failed.
    """
    is_silent = options.quiet or options.as_json
    try:
        with progress(hidden=is_silent) as shown:
            return asyncio.run(_follow(graph, value, settings, shown, echo))
    except Exception as error:
        echo.end()
        fail_with(error, quiet=is_silent)


class Echo:
    """Writes the answer's tokens to standard output as they come, if that is a terminal."""

    def __init__(self, *, active: bool) -> None:
        self.active = active and sys.stdout.isatty()
        self._id: str | None = None
        self._text = ""

    def token(self, chunk: Any, shown: Progress) -> None:
        """Write a token; the progress display makes room for the first."""
        if not self.active or not isinstance(chunk, AIMessageChunk) or not chunk.text:
            return
        shown.stop()
        if self._text and chunk.id != self._id:  # a second try
            self.end()
        self._id = chunk.id
        self._text += chunk.text
        typer.echo(for_terminal(chunk.text), nl=False)

    def end(self) -> None:
        """End the line of what was written."""
        if self._text and not self._text.endswith("\n"):
            typer.echo()
        self._text = ""

    def end_with(self, answer: str) -> None:
        """Write the answer, unless it has been written as it came."""
        has_come = self._text.strip() == answer.strip()
        self.end()
        if not has_come:
            typer.echo(for_terminal(answer) if sys.stdout.isatty() else answer)


async def _follow(graph: Graph, value: Any, settings: Any, shown: Progress, echo: Echo) -> State:
    """Run the graph to its end and give its output state."""
    state: State = {}
    modes = ["custom", "messages", "values"]
    stream = graph.astream({"input": value}, context=settings, stream_mode=modes)
    async with aclosing(stream) as items:  # type: ignore[type-var]
        async for mode, item in items:
            if mode == "values":
                state = item
            elif mode == "messages":
                echo.token(item[0], shown)
            elif isinstance(item, Mapping) and str(item.get("event", "")).startswith("branch_"):
                shown.tell(item)
    return state
