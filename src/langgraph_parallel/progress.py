"""Shows the branches of a graph while it runs: in a terminal, in a log, in a notebook."""

import sys
import time
from bisect import bisect, insort
from collections import Counter
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Column, Table
from rich.text import Text
from typing_extensions import Self

from langgraph_parallel.columns import cut
from langgraph_parallel.process import unread
from langgraph_parallel.wording import one_line, seconds_text

ROWS = 10
"""Branches that are shown at a time."""

_NAME_WIDTH = 40

_REDRAWS = 8
"""Times a second, at most, that a live display is drawn anew."""


@dataclass(eq=False)
class Row:
    """One branch, as far as its events tell."""

    name: str
    place: tuple[int, int]
    """Number of its dispatch, by first sight, and its index."""
    began: float = field(default_factory=time.monotonic)
    status: str | None = None
    """How it ended; `None` while it runs."""
    seconds: float = 0.0
    spinner: Spinner = field(default_factory=lambda: Spinner("dots"))


class Progress:
    """Follows the branches of a run and shows nothing; others show what they follow.

    What cannot be shown is let go: a run does not fail because nobody reads its progress.
    """

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Row] = {}
        self._dispatches: dict[str, int] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}

    def __enter__(self) -> Self:
        with unread():
            self.start()
        return self

    def __exit__(self, *error: object) -> None:
        with unread():
            self.stop()

    def start(self) -> None:
        """Begin to show."""

    def stop(self) -> None:
        """End the display, so that something else can be written."""

    def tell(self, event: Any) -> None:
        """Take in what a graph writes; only the library's events of branches are for us."""
        if not _is_of_a_branch(event):
            return
        dispatch = self._dispatches.setdefault(event["dispatch"], len(self._dispatches))
        place = (dispatch, event["index"])
        row = self._rows.get(place)
        if row is None:
            row = self._rows[place] = Row(one_line(event["branch"]), place)
            insort(self._places.setdefault(row.name, []), place)
        with unread():
            if event["event"] == "branch_finished":
                row.status, row.seconds = event["status"], event["seconds"]
                self.finished(row)
            else:
                self.started()

    def started(self) -> None:
        """Show that a branch has started."""

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""

    def name(self, row: Row) -> str:
        """Give a branch's name, numbered where several have the same."""
        places = self._places[row.name]
        return row.name if len(places) == 1 else f"{row.name} {bisect(places, row.place)}"

    def rows(self) -> list[Row]:
        """Give the branches seen so far, by dispatch and index."""
        return [row for _, row in sorted(self._rows.items())]

    def table(self) -> Table:
        """Draw the branches as they are now: those that run, and the last that have finished."""
        rows = self.rows()
        running = [row for row in rows if row.status is None][:ROWS]
        finished = [row for row in rows if row.status is not None]
        shown = [*running, *finished[max(len(finished) - ROWS + len(running), 0) :]]
        table = Table.grid(Column(), Column(), Column(no_wrap=True), padding=(0, 1))
        for row in (row for row in rows if row in shown):
            name = Text(cut(self.name(row), _NAME_WIDTH), no_wrap=True, overflow="ellipsis")
            if row.status is None:
                table.add_row(row.spinner, name, f"{time.monotonic() - row.began:.1f} s")
            else:
                mark = "✓" if row.status == "ok" else "✗"
                table.add_row(mark, name, f"{seconds_text(row.seconds)} {row.status}")
        if rest := Counter(row.status or "running" for row in rows if row not in shown):
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
        line = f"{cut(self.name(row), _NAME_WIDTH)}: {row.status}, {seconds_text(row.seconds)}"
        self._console.out(line, highlight=False)


class LiveProgress(Progress):
    """Shows running branches with a spinner and finished ones with their time."""

    def __init__(self, console: Console, *, redirect: bool = True) -> None:
        super().__init__()
        self._waiting = Spinner("dots")
        self._live = Live(
            console=console,
            transient=True,
            refresh_per_second=_REDRAWS,
            redirect_stdout=redirect and sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=redirect,
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
        if all(row.status for row in self.rows()):
            table.add_row(self._waiting, "working")
        return table


class NotebookProgress(Progress):
    """Shows the branches in the output of a notebook's cell, where the last state stays."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = import_module("IPython.display").DisplayHandle()
        self._drawn = 0.0

    def start(self) -> None:
        """Begin to show."""
        self._handle.display(self.table())

    def stop(self) -> None:
        """Show how the branches have ended, also those that the end of the run cut off."""
        for row in self.rows():
            if row.status is None:
                row.status, row.seconds = "unfinished", time.monotonic() - row.began
        self._handle.update(self.table())

    def started(self) -> None:
        """Show that a branch has started."""
        self._redraw()

    def finished(self, row: Row) -> None:
        """Show that a branch has finished."""
        self._redraw()

    def _redraw(self) -> None:
        if time.monotonic() - self._drawn > 1 / _REDRAWS:
            self._handle.update(self.table())
            self._drawn = time.monotonic()


class SafeConsole(Console):
    """A console on standard error that others may close."""

    def on_broken_pipe(self) -> None:
        """Go on; rich would end the process, and standard output with it."""


def _is_of_a_branch(event: Any) -> bool:
    """Say whether a custom event is one of a branch, and not one of the user's."""
    kinds: dict[str, Any] = {"branch": str, "index": int, "dispatch": str}
    match event:
        case {"event": "branch_started"}:
            pass
        case {"event": "branch_finished"}:
            kinds |= {"status": str, "seconds": (int, float)}
        case _:
            return False
    return all(isinstance(event.get(key), kind) for key, kind in kinds.items())


def progress(*, live: bool = True, lines: bool = True, redirect: bool = True) -> Progress:
    """Choose how to show progress: live on a terminal or in a notebook, else by lines.

    Args:
        live: Show it live if standard error is a terminal, or this is a notebook.
        lines: Write a line per finished branch to standard error if it is neither.
        redirect: Let what others write to a terminal stand above a live display.
    """
    console = SafeConsole(stderr=True)
    if console.is_jupyter:
        return NotebookProgress() if live else Progress()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveProgress(console, redirect=redirect) if live else Progress()
    return LineProgress(console) if lines else Progress()
