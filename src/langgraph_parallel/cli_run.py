"""Runs a graph for a command: progress, tokens as they come, exit codes."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, cast

import typer
from langchain_core.messages import AIMessageChunk
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StreamMode

from langgraph_parallel.cli_show import as_json, for_terminal, is_terminal, note_on, show_report
from langgraph_parallel.errors import BranchFailedError, SetupError, UndecidedError
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.models import check_model, default_model
from langgraph_parallel.process import FAILED, USAGE, say
from langgraph_parallel.progress import Progress, progress

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
            ModelUnavailableError: It cannot be used on this machine, or there is none.
        """
        check_model(default_model() if self.model is None else self.model)


def fail(message: str, code: int) -> NoReturn:
    """Say on standard error what went wrong, and exit.

    Raises:
        typer.Exit: Always.
    """
    say(f"Error: {for_terminal(message)}")
    raise typer.Exit(code)


def fail_with(error: BaseException, *, quiet: bool = True) -> NoReturn:
    """Exit for an error, with what its run found unless it is to be quiet.

    Raises:
        typer.Exit: Always.
    """
    text = explain(error)
    if isinstance(error, (BranchFailedError, UndecidedError)):
        text = text.removesuffix(error.advice).rstrip()
        if error.report and not quiet:
            show_report(error.report)
            say()
    fail(text, USAGE if isinstance(error, SetupError) else FAILED)


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
    try:
        state = execute(graph, value, settings, options, echo)
    except Exception as error:
        fail_with(error, quiet=options.quiet or options.as_json)
    if options.as_json:
        typer.echo(as_json(state, sys.stdout))
        return state
    echo.finish(answer(state))
    if not options.quiet:
        show_report(state["report"])
    if note := note_on(state["report"]):
        say(f"\n{note}")
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
        ParallelPatternError: The run failed; or another error, which nobody foresaw.
    """
    try:
        with progress(
            live=not options.quiet,
            lines=not (options.quiet or options.as_json),
            redirect=False,  # the answer's tokens go to standard output by themselves
        ) as shown:
            return asyncio.run(_follow(graph, value, settings, shown, echo))
    finally:
        echo.end_line()


class Echo:
    """Writes the answer's tokens to standard output as they come, if that is a terminal."""

    def __init__(self, *, active: bool) -> None:
        self.active = active and is_terminal(sys.stdout)
        self._id: str | None = None
        self._text = ""

    def token(self, chunk: Any, shown: Progress) -> None:
        """Write a token; the progress display makes room for the first."""
        if not self.active or not isinstance(chunk, AIMessageChunk) or not chunk.text:
            return
        shown.stop()
        if chunk.id != self._id:  # the first try, or another one
            self.end_line()
            self._id, self._text = chunk.id, ""
        self._text += chunk.text
        typer.echo(for_terminal(chunk.text), nl=False)

    def end_line(self) -> None:
        """End the line that was begun."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
            typer.echo()

    def finish(self, answer: str) -> None:
        """Write the answer, unless it has been written as it came."""
        if not self._text or self._text.strip() != answer.strip():
            typer.echo(for_terminal(answer) if is_terminal(sys.stdout) else answer)


async def _follow(graph: Graph, value: Any, settings: Any, shown: Progress, echo: Echo) -> State:
    """Run the graph to its end and give its output state."""
    state: State = {}
    modes: list[StreamMode] = ["custom", "messages", "values"]
    stream = graph.astream(
        {"input": value},
        context=settings,
        stream_mode=modes,
        output_keys=graph.output_channels,
    )
    async with aclosing(stream) as items:  # type: ignore[type-var]
        async for part in items:
            mode, item = cast("tuple[StreamMode, Any]", part)
            if mode == "values":
                state = item
            elif mode == "messages":
                echo.token(item[0], shown)
            else:
                shown.tell(item)
    return state
