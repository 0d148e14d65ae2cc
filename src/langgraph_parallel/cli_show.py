"""Answers and reports as text."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, TextIO
from unicodedata import category

from rich.console import Console

from langgraph_parallel.nodes.guard import RESPOND
from langgraph_parallel.process import unread
from langgraph_parallel.progress import SafeConsole
from langgraph_parallel.terminal import ReportView
from langgraph_parallel.wording import one_line

State = Mapping[str, Any]

NOTE = """\
Note: the embedded model judged this. With 135 million parameters it shows the wiring;
its judgements are close to guessing. For real use, name a model with --model."""


def plain_answer(state: State) -> str:
    """Show an answer that is a text or a label."""
    return str(state["output"])


def evaluation_answer(state: State) -> str:
    """Show the scores of an evaluation, a line per criterion.

    Example:
        >>> score = {"score": 4, "reason": "Polite."}
        >>> print(evaluation_answer({"output": {"tone": score, "overall": 4.0}}))
        overall  4.0
        tone     4  Polite.
    """
    scores = dict(state["output"])
    overall = scores.pop("overall")
    width = max(map(len, [*scores, "overall"]))
    lines = [f"{'overall':{width}}  {overall}"]
    lines += [
        f"{name:{width}}  {score['score']}  {one_line(score['reason'])}"
        for name, score in scores.items()
    ]
    return "\n".join(lines)


def scan_answer(state: State) -> str:
    """Show whether code is vulnerable, and a line per finding of the scanners that flag it."""
    lines = [str(state["output"])]
    for branch in _done(state):
        if branch["output"]["ballot"] == "vulnerable":
            findings = branch["output"]["details"].get("findings") or []
            lines += [
                f"  {branch['name']}: line {hole['line']}: {one_line(hole['weakness'])}: "
                f"{one_line(hole['attack'])}"
                for hole in findings
            ]
            if not findings:
                lines.append(f"  {branch['name']}: {one_line(branch['output']['reason'])}")
    return "\n".join(lines)


def moderation_answer(state: State) -> str:
    """Show whether a text is flagged, and a line per evaluator that flags it."""
    lines = [str(state["output"])]
    if not state["report"]["decided"]:
        lines.append("  no decision: too few evaluators answered, and the cautious label holds")
    lines += [
        f"  {branch['name']}: {one_line(branch['output']['reason'])}"
        for branch in _done(state)
        if branch["output"]["ballot"] == "flag"
    ]
    return "\n".join(lines)


def show_report(report: Mapping[str, Any], *, err: bool = True) -> None:
    """Draw a report below an empty line.

    Args:
        report: The report of a run.
        err: Whether it goes to standard error, or else to standard output.
    """
    console = SafeConsole(stderr=True, highlight=False) if err else Console(highlight=False)
    with unread() if err else nullcontext():
        console.print("", ReportView(report), sep="\n")


def note_on(report: Mapping[str, Any]) -> str:
    """Warn if the embedded model has judged something; empty if it only wrote prose."""
    judges = [b for b in report["branches"] if b["name"] != RESPOND]
    return NOTE if any(branch["model"] == "local" for branch in judges) else ""


def for_terminal(text: str) -> str:
    r"""Take out characters that control a terminal, but for line breaks and tabs.

    Example:
        >>> for_terminal("a\tb\n\x1b]0;title\x07")
        'a\tb\n]0;title'
    """
    return "".join(c for c in text if c in "\n\t" or category(c) != "Cc")


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether somebody sees at once what is written; `None` is a closed stream."""
    return stream is not None and stream.isatty()


def as_json(state: State, stream: TextIO | None) -> str:
    """Write a state as JSON, escaped where a stream does not take its characters."""
    text = json.dumps(state, indent=2, ensure_ascii=False)
    try:
        text.encode((stream and stream.encoding) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(state, indent=2)
    return text


def _done(state: State) -> list[Mapping[str, Any]]:
    """Give the branches of a vote that did not fail."""
    return [branch for branch in state["report"]["branches"] if branch["status"] == "ok"]
