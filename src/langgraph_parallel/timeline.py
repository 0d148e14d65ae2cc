"""The timeline of a report, as plain text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any
from unicodedata import category, east_asian_width

LINES = 20
"""Branches that get a line of their own; further ones share one."""
MIN_WIDTH = 50

_STATUS, _SECONDS = 9, 8
_WAITING = "·"
_BARS = {"ok": ("━", "━"), "error": ("━", "✗"), "timeout": ("━", "!"), "cancelled": ("╌", "╌")}
_STOPPED_BY = {
    "stop": "the stop rule was met",
    "max_votes": "no more votes were allowed",
    "max_calls": "no more calls were allowed",
}


def timeline(report: Mapping[str, Any], *, width: int = 72) -> str:
    """Draw what ran when: a line per branch, then what the pattern decided, then the totals.

    A line has the branch's name, a bar from its start to its end on one scale for all, its status
    and seconds, and in a vote or behind guards what it said. Dots are the time until it began. The
    bar of a cancelled branch is dashed, one that failed ends in `✗`, one past its deadline in `!`.

    Args:
        report: The `report` of any pattern, also one that an error carries.
        width: Columns of a line, 50 or more.

    Returns:
        Lines without a line break at the end.

    Example:
        >>> usage = {"calls": 1, "input_tokens": 9, "output_tokens": 4, "partial": False}
        >>> branch = {"name": "tone", "status": "ok", "started": 0.5, "seconds": 0.5}
        >>> report = {"branches": [branch], "usage": usage, "seconds": 1.0}
        >>> print(timeline(report, width=50))
        tone  ············━━━━━━━━━━━━━  ok         0.50 s
        1.00 s, 1 call, 9 tokens in, 4 out
    """
    width = max(width, MIN_WIDTH)
    branches: Sequence[Mapping[str, Any]] = report.get("branches") or []
    shown = branches[:LINES]
    names = _column(branch_names(branches)[:LINES], width // 4)
    notes = _column([branch_note(branch) for branch in shown], width // 5)
    fixed = [max(map(_cells, column), default=0) for column in (names, notes)]
    cells = width - sum(fixed) - _STATUS - _SECONDS - 4 - (2 if any(notes) else 0)
    end = max([report.get("seconds") or 0.0, *(b["started"] + b["seconds"] for b in branches)])
    lines = [
        f"{name}  {_bar(branch, end, cells)}  "
        f"{branch['status']:{_STATUS}}{seconds_text(branch['seconds']):>{_SECONDS}}  {note}"
        for name, branch, note in zip(names, shown, notes, strict=True)
    ]
    if len(branches) > LINES:
        lines.append(f"and {len(branches) - LINES} more: {_statuses(branches[LINES:])}")
    lines += [*wrap(_outcome(report), width, subsequent_indent="  "), _totals(report)]
    return "\n".join(line.rstrip() for line in lines)


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


def branch_note(branch: Mapping[str, Any]) -> str:
    """Say in a word what a voter or a guard said; empty for a section."""
    output = branch.get("output")
    if not isinstance(output, Mapping) or branch["status"] != "ok":
        return ""
    if "ballot" in output and "unreadable" in output:
        return "unreadable" if output["unreadable"] is not None else one_line(output["ballot"])
    if set(output) == {"tripped", "reason"}:
        return "tripped" if output["tripped"] else "passed"
    return ""


def decided_at(report: Mapping[str, Any]) -> float | None:
    """Give the seconds until a verdict fell or a vote was decided; `None` for sections.

    That is when the last guard or voter that was heard had ended.

    Example:
        >>> heard = {"name": "harm", "status": "ok", "started": 0.0, "seconds": 0.3}
        >>> answer = {"name": "respond", "status": "cancelled", "started": 0.0, "seconds": 0.31}
        >>> decided_at({"verdict": "blocked", "branches": [heard, answer]})
        0.3
    """
    if "verdict" not in report and "counts" not in report:
        return None
    ends = [
        branch["started"] + branch["seconds"]
        for branch in report["branches"]
        if branch["status"] != "cancelled" and branch["name"] != "respond"
    ]
    return max(ends, default=None)


def one_line(value: Any) -> str:
    r"""Show a value as text on one line, without characters that control a terminal.

    Example:
        >>> one_line("two\nlines \x1b[31m")
        'two lines [31m'
    """
    text = "".join(" " if category(c) == "Cc" else c for c in str(value))
    return " ".join(text.split())


def seconds_text(seconds: float) -> str:
    """Show a time with about three digits.

    Example:
        >>> seconds_text(0.0), seconds_text(3.14159), seconds_text(61.25), seconds_text(1234.5)
        ('0.00 s', '3.14 s', '61.2 s', '1234 s')
    """
    decimals = 2 if seconds < 10 else 1 if seconds < 1000 else 0  # noqa: PLR2004
    return f"{seconds:.{decimals}f} s"


def _bar(branch: Mapping[str, Any], end: float, cells: int) -> str:
    """Draw the waiting and the work of a branch."""
    scale = cells / end if end > 0 else 0.0
    start = round(branch["started"] * scale)
    if not branch["seconds"] and branch["status"] == "cancelled":
        return f"{_WAITING * start:{cells}}"
    start = min(start, cells - 1)
    stop = max(round((branch["started"] + branch["seconds"]) * scale), start + 1)
    fill, tip = _BARS.get(branch["status"], _BARS["ok"])
    return f"{_WAITING * start + fill * (stop - start - 1) + tip:{cells}}"


def _outcome(report: Mapping[str, Any]) -> str:
    """Say what a vote or the guards decided; empty for sections."""
    if "counts" in report:
        counts = ", ".join(f"{one_line(name)} {n}" for name, n in report["counts"].items())
        parts = [f"votes: {counts or 'none'}"]
        if unreadable := report["calls"]["unreadable"]:
            parts.append(f"{unreadable} unreadable")
        reason = _STOPPED_BY.get(report["stopped_by"], report["stopped_by"])
        parts.append(f"stopped after {_number(report['rounds'], 'round')}: {reason}")
        if not report["decided"]:
            parts.append("no decision")
        return "; ".join(parts)
    if "verdict" in report:
        by = ", ".join(map(one_line, report["blocked_by"]))
        verdict = report["verdict"].replace("_", " ")
        return f"verdict: {verdict}{' by ' + by if by else ''}"
    return ""


def _totals(report: Mapping[str, Any]) -> str:
    usage = report.get("usage") or {}
    return (
        f"{seconds_text(report.get('seconds') or 0.0)}, "
        f"{_number(usage.get('calls', 0), 'call')}, "
        f"{usage.get('input_tokens', 0):,} tokens in, {usage.get('output_tokens', 0):,} out"
        f"{' (partial)' if usage.get('partial') else ''}"
    )


def _statuses(branches: Sequence[Mapping[str, Any]]) -> str:
    counts = Counter(branch["status"] for branch in branches)
    return ", ".join(f"{n} {status}" for status, n in counts.items())


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _column(texts: Sequence[str], most: int) -> list[str]:
    """Cut texts to a width that holds them all if it can, and fill them up to it."""
    width = min(max(map(_cells, texts), default=0), most)
    return [_fit(text, width) for text in texts]


def _fit(text: str, width: int) -> str:
    if _cells(text) > width:
        while _cells(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _cells(text))


def _cells(text: str) -> int:
    """Count the columns that a text takes: East Asian wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)
