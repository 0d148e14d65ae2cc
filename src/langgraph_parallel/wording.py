"""What a report says, in words: names, notes, moments, and texts that fit a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category, east_asian_width

from langgraph_parallel.aggregators.combine import as_text
from langgraph_parallel.nodes.guard import RESPOND

_LOOKED_AT = 1000  # characters of a result that may be long: a table has room for fewer
_JOINER = "\u200d"  # joins emoji
_NO_TEXT = {"Cs", "Cf"}
_NO_WIDTH = {"Mn", "Me", "Cf"}


def branch_names(branches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give each branch's name, numbered where several have the same.

    Example:
        >>> branch_names([{"name": "a"}, {"name": "b"}, {"name": "a"}])
        ['a 1', 'b', 'a 2']
    """
    names = [one_line(branch["name"]) for branch in branches]
    total, seen = Counter(names), Counter[str]()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name} {seen[name]}" if total[name] > 1 else name)
    return numbered


def branch_note(report: Mapping[str, Any], branch: Mapping[str, Any]) -> str:
    """Say in a word what a voter or a guard said; empty for a section or an answer."""
    output = branch.get("output")
    if not isinstance(output, Mapping) or branch["status"] != "ok":
        return ""
    if "counts" in report:
        return "unreadable" if output["unreadable"] is not None else one_line(output["ballot"])
    if "verdict" in report and branch["name"] != RESPOND:
        return "tripped" if output["tripped"] else "rewrote" if "rewrite" in output else "passed"
    return ""


def is_tripped(report: Mapping[str, Any], branch: Mapping[str, Any]) -> bool:
    """Say whether a branch is a guard that has tripped."""
    return "verdict" in report and branch_note(report, branch) == "tripped"


def decided_at(report: Mapping[str, Any]) -> float | None:
    """Give the seconds until a verdict fell or a vote was decided; `None` for sections.

    That is when the last guard of the input, or voter, that was heard had ended; with the end of
    the answer where a guard of the answer denied it.

    Example:
        >>> heard = {"name": "harm", "status": "ok", "started": 0.0, "seconds": 0.3}
        >>> answer = {"name": "respond", "status": "cancelled", "started": 0.0, "seconds": 0.31}
        >>> report = {"verdict": "blocked", "blocked_by": ["harm"], "branches": [heard, answer]}
        >>> decided_at(report)
        0.3
    """
    branches: Sequence[Mapping[str, Any]] = report.get("branches") or []
    if "counts" in report:
        advisers = {advice["voter"] for advice in report.get("advice", [])}
        deciding: Sequence[Mapping[str, Any]] = [
            branch for branch in branches if branch["name"] not in advisers
        ]
    elif "verdict" in report:
        names = [branch["name"] for branch in branches]
        answer = names.index(RESPOND) if RESPOND in names else len(names)
        deciding = branches[:answer]
        if not deciding or set(names[answer + 1 :]) & set(report["blocked_by"]):
            return max(map(_end, branches[answer : answer + 1]), default=None)
    else:
        return None
    return max((_end(b) for b in deciding if b["status"] != "cancelled"), default=None)


def end_of(report: Mapping[str, Any]) -> float:
    """Give the seconds until the last branch had ended, or the run if that was later."""
    return float(max([report.get("seconds") or 0.0, *map(_end, report.get("branches") or [])]))


def _end(branch: Mapping[str, Any]) -> float:
    return float(branch["started"] + branch["seconds"])


def one_line(value: Any) -> str:
    r"""Show a value as text on one line, without what controls a terminal or the order.

    Example:
        >>> one_line("two\nlines \x1b[31m")
        'two lines [31m'
    """
    text = "".join(
        " " if category(c) == "Cc" else c
        for c in str(value)
        if category(c) not in _NO_TEXT or c == _JOINER
    )
    return " ".join(text.split())


def seconds_text(seconds: float) -> str:
    """Show a time with about three digits.

    Example:
        >>> seconds_text(0.0), seconds_text(3.14159), seconds_text(9.999), seconds_text(1234.5)
        ('0.00 s', '3.14 s', '10.0 s', '1234 s')
    """
    decimals = 2 if seconds < 9.995 else 1 if seconds < 999.95 else 0  # noqa: PLR2004
    return f"{seconds:.{decimals}f} s"


def dollars_text(dollars: float) -> str:
    """Show an amount of money, small ones too.

    Example:
        >>> dollars_text(0.000034), dollars_text(0.1234), dollars_text(1234.5)
        ('$0.000034', '$0.12', '$1,234.50')
    """
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.6f}"  # noqa: PLR2004


def more_text(branches: Sequence[Mapping[str, Any]]) -> str:
    """Sum up the branches that have no line of their own.

    Example:
        >>> more_text([{"status": "ok"}, {"status": "error"}, {"status": "ok"}])
        'and 3 more: 2 ok, 1 error'
    """
    counts = Counter(branch["status"] for branch in branches)
    statuses = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"and {len(branches)} more: {statuses}"


def fit_column(texts: Sequence[str], most: int) -> list[str]:
    """Cut texts to a width that holds them all if it can, and fill them up to it."""
    width = min(max(map(cells_of, texts), default=0), most)
    fitting = [cut(text, width) for text in texts]
    return [text + " " * (width - cells_of(text)) for text in fitting]


def cut(text: str, width: int) -> str:
    """Shorten a text to a width.

    Example:
        >>> cut("a long name", 6), cut("short", 6)
        ('a lon…', 'short')
    """
    if cells_of(text) <= width:
        return text
    cells, kept = 0, ""
    for c in text:
        cells += cells_of(c)
        if cells > width - 1:
            break
        kept += c
    return kept + "…"


def cells_of(text: str) -> int:
    """Count the columns that a text takes: East Asian wide characters two, marks none."""
    return sum(
        0 if category(c) in _NO_WIDTH else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )


def section_row(name: str, branch: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Give a section's name, status, time, tokens in and out, and result or error.

    Example:
        >>> usage = {"input_tokens": 1200, "output_tokens": 7}
        >>> branch = {"status": "ok", "output": {"score": 4}, "seconds": 0.5, "usage": usage}
        >>> section_row("tone", branch)
        ('tone', 'ok', '0.50 s', '1,200 / 7', '{ "score": 4 }')
    """
    usage = branch["usage"]
    result = as_text(branch["output"]) if branch["status"] == "ok" else branch["error"]
    return (
        name,
        branch["status"],
        seconds_text(branch["seconds"]),
        f"{usage['input_tokens']:,} / {usage['output_tokens']:,}",
        one_line((result or "")[:_LOOKED_AT]),
    )


def problems(report: Mapping[str, Any]) -> list[str]:
    """Say why branches failed or could not be read, a line for each reason."""
    branches = report.get("branches") or []
    names: dict[str, list[str]] = {}
    for name, branch in zip(branch_names(branches), branches, strict=True):
        output = branch["output"]
        if branch["status"] in {"error", "timeout"}:
            names.setdefault(one_line(branch["error"]), []).append(name)
        elif "counts" in report and isinstance(output, Mapping) and output["unreadable"]:
            names.setdefault(one_line(output["unreadable"]), []).append(name)
    return [f"{_some(of)}: {reason}" for reason, of in names.items()]


def _some(names: Sequence[str], most: int = 4) -> str:
    """Name some of many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
