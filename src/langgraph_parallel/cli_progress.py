"""What standard error shows of the branches while a graph runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from typing_extensions import Self

from langgraph_parallel.timeline import branch_names, seconds_text

ROWS = 10
"""Branches that the live display shows at a time."""


class Progress(Protocol):
    """Shows events of branches; a context manager that ends what is shown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take in a `branch_started` or `branch_finished` event."""
        ...

    def stop(self) -> None:
        """End what is shown, so that something else can be written."""
        ...


def progress(*, hidden: bool = False) -> Progress:
    """Choose how to show progress: live on a terminal, else a line per finished branch.

    Args:
        hidden: Show nothing.
    """
    if hidden:
        return NoProgress()
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console)
    return LineProgress()


@dataclass
class _Branch:
    index: int
    name: str
    began: float
    spinner: Spinner
    status: str | None = None
    seconds: float = 0.0


class NoProgress:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take in an event."""

    def stop(self) -> None:
        """End what is shown."""


class LineProgress(NoProgress):
    """Writes a line when a branch has finished."""

    def __init__(self) -> None:
        self._branches: dict[tuple[str, int], _Branch] = {}

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take in an event."""
        key = (event["dispatch"], event["index"])
        branch = self._branches.get(key)
        if branch is None:
            branch = _Branch(event["index"], event["branch"], time.monotonic(), Spinner("dots"))
            self._branches[key] = branch
        if event["event"] == "branch_finished":
            branch.status, branch.seconds = event["status"], event["seconds"]
            self.finished(branch)

    def finished(self, branch: _Branch) -> None:
        """Show that a branch has finished."""
        branches = self.ordered()
        name = branch_names([vars(b) for b in branches])[branches.index(branch)]
        typer.echo(f"{name}: {branch.status}, {seconds_text(branch.seconds)}", err=True)

    def ordered(self) -> list[_Branch]:
        """Give the branches seen so far by index."""
        return sorted(self._branches.values(), key=lambda branch: branch.index)


class LiveProgress(LineProgress):
    """Shows running branches with a spinner and finished ones with their time, until it ends."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._waiting = Spinner("dots", "working")
        # Tokens of the answer go to standard output by themselves.
        self._live = Live(
            console=console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self.table,
        )

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def stop(self) -> None:
        """End what is shown."""
        self._live.stop()

    def finished(self, branch: _Branch) -> None:
        """Show that a branch has finished: the next refresh does."""

    def table(self) -> Table:
        """Draw the branches as they are now: all that run, and the last that finished."""
        branches = self.ordered()
        names = branch_names([vars(branch) for branch in branches])
        named = list(zip(names, branches, strict=True))
        running = [item for item in named if item[1].status is None]
        done = [item for item in named if item[1].status is not None]
        kept = done[-max(ROWS - len(running), 0) :] if len(running) < ROWS else []
        table = Table.grid(padding=(0, 1))
        for name, branch in named:
            if branch.status is not None and (name, branch) in kept:
                mark = "✓" if branch.status == "ok" else "✗"
                table.add_row(mark, name, seconds_text(branch.seconds), branch.status)
            elif branch.status is None and (name, branch) in running[:ROWS]:
                seconds = f"{time.monotonic() - branch.began:.1f} s"
                table.add_row(branch.spinner, name, seconds, "")
        hidden = len(named) - table.row_count
        if hidden or not running:
            table.add_row(self._waiting, f"and {hidden} more" if hidden else "", "", "")
        return table
