"""The timeline of a report, as plain text."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.columns import cells_of, cut, fit_column, wrapped
from langgraph_parallel.wording import (
    branch_names,
    branch_note,
    decided_at,
    dollars_text,
    end_of,
    is_tripped,
    more_text,
    one_line,
    report_of,
    seconds_text,
    visible_aggregate,
)

LINES = 20
"""Branches that get a line of their own; further ones share one."""
LABEL = 40
"""Columns that a label takes at most in a sentence."""
BARS_FROM = 50
"""Columns of a line with a bar; narrower lines have the facts alone."""
MIN_WIDTH = 24

Role = Literal["plain", "quiet", "ok", "error", "timeout", "cancelled", "decision"]
"""What a piece of a line is, for who colours it; the statuses are those of branches."""
Line = list[tuple[str, Role]]

_STATUS, _SECONDS = 9, 8
_WAITING = "·"
_UNTIL_TOKEN, _WORK = {"cancelled": "╌"}, {"cancelled": "╍"}
_TIPS = {"error": "✗", "timeout": "!"}
_CROSSED = {"━": "┿", "─": "┼", "╌": "┼", "╍": "┿"}
_STOPPED_BY = {
    "stop": "the stop rule was met",
    "max_votes": "no more votes were allowed",
    "max_calls": "no more calls were allowed",
}


def timeline(report: Mapping[str, Any], *, width: int = 72) -> str:
    """Draw what ran when: a line per branch, then what the pattern decided, then the totals.

    A line has the branch's name, a bar from its start to its end on one scale for all, its status
    and seconds, and in a vote or behind guards what it said. Dots are the time until it began; a
    bar is thin until the first token of a streamed answer. The bar of a cancelled branch is dashed,
    one that failed ends in `✗`, one past its deadline in `!`. A vertical line is the moment of the
    decision or the verdict. An aggregate that took time, such as a synthesis, is the last bar.

    Args:
        report: The `report` of any pattern, also one that an error carries; or the result of a
            run, which has it.
        width: Columns of a line, 24 or more; with fewer than 50 there are no bars.

    Returns:
        Lines without a line break at the end.

    Raises:
        ValueError: It is neither a report nor has one.

    Example:
        >>> usage = {"calls": 1, "input_tokens": 9, "output_tokens": 4, "partial": False}
        >>> branch = {"name": "tone", "status": "ok", "started": 0.5, "seconds": 0.5}
        >>> report = {"branches": [branch], "usage": usage, "seconds": 1.0}
        >>> print(timeline(report, width=50))
        tone  ············━━━━━━━━━━━━━  ok         0.50 s
        1.00 s, 1 call, 9 tokens in, 4 out
    """
    lines = timeline_lines(report_of(report), width)
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def timeline_lines(report: Mapping[str, Any], width: int) -> Iterator[Line]:
    """Give the lines of `timeline` in pieces, each with its role."""
    width = max(width, MIN_WIDTH)
    branches: Sequence[Mapping[str, Any]] = report.get("branches") or []
    has_bars = width >= BARS_FROM
    rows = list((_bars if has_bars else _facts)(report, width))
    number = min(len(branches), LINES)
    more = more_text(branches[LINES:]) if len(branches) > LINES else ""
    yield from chain(*rows[:number])
    yield from _sentence(more, width, "quiet")
    yield from chain(*rows[number:])
    yield from _sentence(_outcome(report, has_bars=has_bars), width, "decision")
    yield from _sentence(_votes(report), width, "plain")
    yield from _sentence(_totals(report), width, "quiet")


def _shown(report: Mapping[str, Any]) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Give the branches that have lines of their own, and an aggregate, with their names."""
    branches: Sequence[Mapping[str, Any]] = report.get("branches") or []
    last = visible_aggregate(report)
    names = [*branch_names(branches)[:LINES], *(part["name"] for part in last)]
    return names, [*branches[:LINES], *last]


def _bars(report: Mapping[str, Any], width: int) -> Iterator[list[Line]]:
    """Give the lines of each branch: one, with a bar."""
    names, shown = _shown(report)
    names = fit_column(names, width // 4)
    notes = fit_column([branch_note(report, branch) for branch in shown], width // 5)
    fixed = [max(map(cells_of, column), default=0) for column in (names, notes)]
    moment = decided_at(report)
    cells = width - sum(fixed) - _STATUS - _SECONDS - 4 - (2 if any(notes) else 0)
    cells -= moment is not None
    end = end_of(report)
    scale = cells / end if end > 0 else 0.0
    for name, branch, note in zip(names, shown, notes, strict=True):
        said = f"{seconds_text(branch['seconds']):>{_SECONDS}}  {note}"
        line: Line = [
            (f"{name}  ", "plain"),
            *_crossed(_bar(branch, scale, cells), moment, scale, branch["status"]),
            (f"  {branch['status']:{_STATUS}}", branch["status"]),
            (said, "error" if is_tripped(report, branch) else "plain"),
        ]
        yield [line]


def _facts(report: Mapping[str, Any], width: int) -> Iterator[list[Line]]:
    """Give the lines of each branch where there is no room for bars: what it said is below."""
    names, shown = _shown(report)
    names = fit_column(names, width - _STATUS - _SECONDS - 2)
    for name, branch in zip(names, shown, strict=True):
        line: Line = [
            (f"{name}  ", "plain"),
            (f"{branch['status']:{_STATUS}}", branch["status"]),
            (f"{seconds_text(branch['seconds']):>{_SECONDS}}", "plain"),
        ]
        note = cut(branch_note(report, branch), width - 2)
        said: Line = [(f"  {note}", "error" if is_tripped(report, branch) else "plain")]
        yield [line, said] if note else [line]


def _sentence(text: str, width: int, role: Role) -> Iterator[Line]:
    """Give a text in as many lines as it takes; none for an empty one."""
    for line in wrapped(text, width) if text else []:
        yield [(line, role)]


def _bar(branch: Mapping[str, Any], scale: float, cells: int) -> str:
    """Draw the waiting and the work of a branch."""
    start = round(branch["started"] * scale)
    status = branch["status"]
    if not branch["seconds"] and status == "cancelled":
        return f"{_WAITING * start:{cells}}"
    start = min(start, cells - 1)
    stop = max(round((branch["started"] + branch["seconds"]) * scale), start + 1)
    token = round(branch.get("first_token", 0.0) * scale)
    quiet = min(max(token, start), stop) - start
    bar = _UNTIL_TOKEN.get(status, "─") * quiet + _WORK.get(status, "━") * (stop - start - quiet)
    if tip := _TIPS.get(status):
        bar = bar[:-1] + tip
    return f"{_WAITING * start + bar:{cells}}"


def _crossed(bar: str, moment: float | None, scale: float, status: Role) -> Line:
    """Draw the line of the decision through a bar."""
    if moment is None:
        return [(bar, status)]
    at = round(moment * scale)
    before, after = bar[:at], bar[at:]
    line = _CROSSED.get(after[:1], "│") if before[-1:] in _CROSSED else "│"
    return [(before, status), (line, "decision"), (after, status)]


def _outcome(report: Mapping[str, Any], *, has_bars: bool) -> str:
    """Say what a vote or the guards decided and when; empty for sections."""
    moment = decided_at(report)
    at = "" if moment is None else f" at {seconds_text(moment)}"
    key = "" if moment is None or not has_bars else "│ "
    if "counts" in report:
        decision = cut(one_line(label(report["decision"])), LABEL) if report["decided"] else "none"
        return f"{key}decision{at}: {decision}"
    if "verdict" in report:
        by = ", ".join(map(one_line, report["blocked_by"]))
        verdict = report["verdict"].replace("_", " ")
        return f"{key}verdict{at}: {verdict}{' by ' + by if by else ''}"
    return ""


def _votes(report: Mapping[str, Any]) -> str:
    """Say how the votes fell, and why there are no more; empty for other patterns."""
    if "counts" not in report:
        return ""
    shown = list(report["counts"].items())[:LINES]
    counts = ", ".join(f"{cut(one_line(name), LABEL)} {n}" for name, n in shown)
    if more := len(report["counts"]) - len(shown):
        counts += f", and {_number(more, 'more label')}"
    parts = [f"votes: {counts or 'none'}"]
    if unreadable := report["calls"]["unreadable"]:
        parts.append(f"{unreadable} unreadable")
    reason = _STOPPED_BY.get(report["stopped_by"], report["stopped_by"])
    parts.append(f"stopped after {_number(report['rounds'], 'round')}: {reason}")
    return "; ".join(parts)


def _totals(report: Mapping[str, Any]) -> str:
    usage = report.get("usage") or {}
    return (
        f"{seconds_text(report.get('seconds') or 0.0)}, "
        f"{_number(usage.get('calls', 0), 'call')}, "
        f"{usage.get('input_tokens', 0):,} tokens in, {usage.get('output_tokens', 0):,} out"
        f"{', ' + dollars_text(usage['cost']) if 'cost' in usage else ''}"
        f"{' (partial)' if usage.get('partial') else ''}"
    )


def _number(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
