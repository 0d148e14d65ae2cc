"""What a report says, in words: names, notes, moments, amounts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from unicodedata import category

from langgraph_parallel.aggregators.combine import as_text
from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.nodes.guard import RESPOND

_LOOKED_AT = 1000  # characters of a result that may be long: a table has room for fewer
_JOINER = "\u200d"  # joins emoji
_NO_TEXT = {"Cs", "Cf"}
# An aggregate that takes less, of the whole time or at all, is no part worth a line.
_VISIBLE, _SECONDS = 0.02, 0.01
_REPORT_KEYS = {"branches", "pattern", "seconds", "usage"}


def report_of(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a report: what was given, or the one in what a run gave.

    Raises:
        ValueError: It is neither.

    Example:
        >>> report_of({"output": "fine", "report": {"seconds": 1.0}})
        {'seconds': 1.0}
    """
    if not given or not _REPORT_KEYS.isdisjoint(given):
        return given
    if isinstance(given.get("report"), Mapping):
        return report_of(given["report"])
    keys = ", ".join(map(repr, given))
    raise ValueError(
        f"A mapping with {keys} is no report. Give the report of a run, as in "
        'show(result["report"]), or the result that has it.'
    )


def branch_names(branches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give each branch's name, numbered where several have the same.

    Example:
        >>> branch_names([{"name": "a"}, {"name": "b"}, {"name": "a"}])
        ['a 1', 'b', 'a 2']
    """
    names = [one_line(branch["name"]) for branch in branches]
    total, taken = Counter(names), set(names)
    numbers = {name: count(1) for name in total}
    numbered = []
    for name in names:
        own = name
        while total[name] > 1 and own in taken:
            own = f"{name} {next(numbers[name])}"
        taken.add(own)
        numbered.append(own)
    return numbered


def branch_note(report: Mapping[str, Any], branch: Mapping[str, Any]) -> str:
    """Say in a word what a voter or a guard said; empty for a section or an answer."""
    output = branch.get("output")
    if not isinstance(output, Mapping) or branch["status"] != "ok":
        return ""
    if "counts" in report:
        return (
            "unreadable" if output["unreadable"] is not None else one_line(label(output["ballot"]))
        )
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
    """Give the seconds until the last branch or the aggregate had ended, or the run if later."""
    parts = [*(report.get("branches") or []), *_aggregate(report)]
    return float(max([report.get("seconds") or 0.0, *map(_end, parts)]))


def visible_aggregate(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give what a timeline shows of the aggregate: a row like a branch's if it took time."""
    least = max(end_of(report) * _VISIBLE, _SECONDS)
    return [part for part in _aggregate(report) if part["seconds"] > least]


def _aggregate(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the aggregate in the form of a branch; none where it has not begun."""
    part = report.get("aggregate")
    return [{**part, "name": "aggregate"}] if part else []


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
        >>> dollars_text(0), dollars_text(0.0000004)
        ('$0', '<$0.000001')
    """
    if not dollars:
        return "$0"
    shown = round(dollars, 6)
    if not shown:
        return "<$0.000001"
    return f"${dollars:,.2f}" if shown >= 0.1 else f"${shown:.6f}"  # noqa: PLR2004


def more_text(branches: Sequence[Mapping[str, Any]]) -> str:
    """Sum up the branches that have no line of their own.

    Example:
        >>> more_text([{"status": "ok"}, {"status": "error"}, {"status": "ok"}])
        'and 3 more: 2 ok, 1 error'
    """
    counts = Counter(branch["status"] for branch in branches)
    statuses = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"and {len(branches)} more: {statuses}"


def section_row(name: str, branch: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Give a section's name, status, time, tokens in and out, and result or error.

    Example:
        >>> usage = {"input_tokens": 1200, "output_tokens": 7}
        >>> branch = {"status": "ok", "output": {"score": 4}, "seconds": 0.5, "usage": usage}
        >>> section_row("tone", branch)
        ('tone', 'ok', '0.50 s', '1,200 / 7', '{ "score": 4 }')
    """
    usage = branch.get("usage") or {}
    if branch["status"] != "ok":
        result = branch.get("error")
    else:
        result = as_text(branch["output"]) if "output" in branch else None
    return (
        name,
        branch["status"],
        seconds_text(branch["seconds"]),
        f"{usage.get('input_tokens', 0):,} / {usage.get('output_tokens', 0):,}",
        one_line((result or "")[:_LOOKED_AT]),
    )


def problems(report: Mapping[str, Any]) -> list[str]:
    """Say why branches failed or could not be read, a line for each reason."""
    branches = report.get("branches") or []
    names: dict[str, list[str]] = {}
    for name, branch in zip(branch_names(branches), branches, strict=True):
        output = branch.get("output")
        if branch["status"] in {"error", "timeout"}:
            reason = branch.get("error")
        elif "counts" in report and isinstance(output, Mapping):
            reason = output.get("unreadable")
        else:
            reason = None
        if reason:
            names.setdefault(one_line(reason), []).append(name)
    return [f"{_some(of)}: {reason}" for reason, of in names.items()]


def _some(names: Sequence[str], most: int = 4) -> str:
    """Name some of many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
