"""Shows the branches of a graph while it runs: in a terminal, in a log, in a notebook."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from langgraph_parallel.wording import branch_names, seconds_text

EVENTS = ("branch_started", "branch_finished")

ROWS = 10
"""Branches that are shown at a time."""


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

    def tell(self, event: Any) -> None:
        """Take in what a graph writes; only events of branches are for us."""
        if not isinstance(event, Mapping) or event.get("event") not in EVENTS:
            return
        row = self._rows.setdefault((event["index"], event["dispatch"]), Row(event["branch"]))
        if event["event"] == "branch_finished":
            row.status, row.seconds = event["status"], event["seconds"]
            self.finished(row)
        else:
            self.started()

    def started(self) -> None:
        """Show that a branch has started."""

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""

    def named(self) -> list[tuple[str, Row]]:
        """Give the branches seen so far, by index and with distinct names."""
        rows = [row for _, row in sorted(self._rows.items())]
        return list(zip(branch_names([{"name": row.name} for row in rows]), rows, strict=True))

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
                table.add_row(row.spinner, Text(name), f"{seconds:.1f} s")
            else:
                mark = "✓" if row.status == "ok" else "✗"
                table.add_row(mark, Text(name), f"{seconds_text(row.seconds)} {row.status}")
        rest = Counter(item[1].status or "running" for item in named if item not in shown)
        if rest:
            statuses = ", ".join(f"{number} {status}" for status, number in rest.items())
            table.add_row("", f"and {rest.total()} more:", statuses)
        return table


class LineProgress(Progress):
    """Writes a line when a branch has finished."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""
        name = next(name for name, other in self.named() if other is row)
        self._console.out(f"{name}: {row.status}, {seconds_text(row.seconds)}", highlight=False)


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
            get_renderable=self._table,
        )

    def start(self) -> None:
        """Begin to show."""
        self._live.start()

    def stop(self) -> None:
        """Clear what is shown."""
        self._live.stop()

    def _table(self) -> Table:
        """Draw the branches, and a sign of life while none of them runs."""
        table = self.table()
        if all(row.status for _, row in self.named()):
            table.add_row(self._waiting, "working")
        return table


class NotebookProgress(Progress):
    """Shows the branches in the output of a notebook's cell; they go when the run has ended."""

    def start(self) -> None:
        """Begin to show."""
        self._handle = import_module("IPython.display").DisplayHandle()
        self._handle.display(self.table())

    def stop(self) -> None:
        """Clear what is shown."""
        self._handle.update(Text(""))

    def started(self) -> None:
        """Show that a branch has started."""
        self._handle.update(self.table())

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""
        self._handle.update(self.table())


def progress(*, live: bool = True, lines: bool = True) -> Progress:
    """Choose how to show progress: live on a terminal or in a notebook, else by lines.

    Args:
        live: Show it live if standard error is a terminal, or this is a notebook.
        lines: Write a line per finished branch to standard error if it is neither.
    """
    console = Console(stderr=True)
    if console.is_jupyter:
        return NotebookProgress() if live else Progress()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console) if live else Progress()
    return LineProgress(console) if lines else Progress()
