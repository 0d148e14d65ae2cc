"""What standard error shows of the branches while a graph runs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from typing_extensions import Self

from langgraph_parallel.timeline import branch_names, seconds_text

ROWS = 10
"""Branches that the live display shows at a time."""


@dataclass(eq=False)
class Row:
    """One branch, as far as its events tell."""

    name: str
    began: float = field(default_factory=time.monotonic)
    status: str | None = None
    """How it ended; `None` while it runs."""
    seconds: float = 0.0
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))


class Progress:
    """Follows the branches of a run and shows nothing; others show what they follow."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, str], Row] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to show."""

    def stop(self) -> None:
        """Clear what is shown, so that something else can be written."""

    def tell(self, event: Mapping[str, Any]) -> None:
        """Take in a `branch_started` or `branch_finished` event."""
        row = self._rows.setdefault((event["index"], event["dispatch"]), Row(event["branch"]))
        if event["event"] == "branch_finished":
            row.status, row.seconds = event["status"], event["seconds"]
            self.finished(row)

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""

    def named(self) -> list[tuple[str, Row]]:
        """Give the branches seen so far, by index and with distinct names."""
        rows = [row for _, row in sorted(self._rows.items())]
        return list(zip(branch_names([{"name": row.name} for row in rows]), rows, strict=True))


class LineProgress(Progress):
    """Writes a line when a branch has finished."""

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""
        name = next(name for name, other in self.named() if other is row)
        typer.echo(f"{name}: {row.status}, {seconds_text(row.seconds)}", err=True)


class LiveProgress(Progress):
    """Shows running branches with a spinner and finished ones with their time."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._waiting = Spinner("dots")
        # Without the redirects: the answer's tokens go to standard output by themselves.
        self._live = Live(
            console=console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
            get_renderable=self.table,
        )

    def start(self) -> None:
        """Begin to show."""
        self._live.start()

    def stop(self) -> None:
        """Clear what is shown."""
        self._live.stop()

    def table(self) -> Table:
        """Draw the branches as they are now: those that run, and the last that have finished."""
        named = self.named()
        running = [item for item in named if item[1].status is None][:ROWS]
        finished = [item for item in named if item[1].status is not None]
        shown = [*running, *finished[max(len(finished) - ROWS + len(running), 0) :]]
        table = Table.grid(padding=(0, 1))
        for name, row in (item for item in named if item in shown):
            if row.status is None:
                seconds = time.monotonic() - row.began
                table.add_row(row.spinner, name, f"{seconds:.1f} s")
            else:
                mark = "✓" if row.status == "ok" else "✗"
                table.add_row(mark, name, f"{seconds_text(row.seconds)} {row.status}")
        if len(named) > len(shown):
            table.add_row("", f"and {len(named) - len(shown)} more")
        if not running:
            table.add_row(self._waiting, "working")
        return table


def progress(*, live: bool = True, lines: bool = True) -> Progress:
    """Choose how to show progress.

    Args:
        live: Show it live if standard error is a terminal.
        lines: Write a line per finished branch if it is none.
    """
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console) if live else Progress()
    return LineProgress() if lines else Progress()
