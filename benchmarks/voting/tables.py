"""Printing the results."""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from voting import frontier, panels

Cell = str | float
console = Console(width=100)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table: text to the left, numbers to the right with two decimals."""
    cells = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for place, column in enumerate(columns):
        is_text = isinstance(cells[0][place], str)
        table.add_column(column, justify="left" if is_text else "right", no_wrap=is_text)
    for row in cells:
        table.add_row(*(cell if isinstance(cell, str) else f"{cell:.2f}" for cell in row))
    console.print(table)
    console.print()


def print_frontier(title: str, rows: Sequence[frontier.Row]) -> None:
    """Print the stops on one data set, or on the mean of several."""
    print_table(
        title,
        ["stop", "calls", "rounds", "accuracy", "change", "± s.e.", "same"],
        (
            (
                row.stop,
                row.calls,
                row.rounds,
                100 * row.accuracy,
                100 * row.change,
                100 * row.error,
                100 * row.same,
            )
            for row in rows
        ),
    )


def print_flagging(title: str, rows: Iterable[panels.Row]) -> None:
    """Print the rules on panels that flag."""
    print_table(
        title,
        ["panel", "rule", "accuracy", "precision", "recall", "calls", "rounds"],
        (
            (
                row.panel,
                row.rule,
                100 * row.accuracy,
                100 * row.precision,
                100 * row.recall,
                row.calls,
                row.rounds,
            )
            for row in rows
        ),
    )


def print_choosing(title: str, rows: Iterable[panels.Row]) -> None:
    """Print panels that choose one of many options."""
    print_table(
        title,
        ["panel", "accuracy", "calls", "rounds"],
        ((row.panel, 100 * row.accuracy, row.calls, row.rounds) for row in rows),
    )
