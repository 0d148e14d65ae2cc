"""Reading a ballot from a model's text."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langgraph_parallel.aggregators.counting import label

_EDGES = " \t\n\r\"'`*_.,;:!?()[]{}<>“”‘’«»#"
_KEPT_EDGES = re.compile(r"[+\-−]?\.?\d")  # a sign or a decimal point is part of a number
_PREFIX = re.compile(
    r"^(?:the\s+)?(?:final\s+)?(?:answer|label|vote|verdict|option)\s*(?:is|:|=)\s*"
)


def fold(text: str) -> str:
    """Fold case, Unicode forms, white space, quotes and outer punctuation.

    One-letter options, signs, decimals, fractions and percentages stay apart.

    Example:
        >>> fold(" **Safe.** "), fold("-5"), fold("3.5"), fold("(A)"), fold(".5")
        ('safe', '-5', '3.5', 'a', '.5')
    """
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).casefold())
    text = text.rstrip(_EDGES)
    while text and text[0] in _EDGES and not _KEPT_EDGES.match(text):
        text = text[1:]
    return text.replace("−", "-")


def match_option(text: str, options: Sequence[Any]) -> tuple[Any, str | None]:
    """Find the one option that a text names.

    First the whole text, without a lead such as "Answer:", is compared with each option; then
    the options are looked for as whole words, where a longer option hides a shorter one inside
    it. When none or several are named, the ballot is unreadable: it refuses rather than guesses.

    Args:
        text: The model's reply.
        options: The closed list of labels.

    Returns:
        The option and `None`, or `None` and why the text is unreadable.

    Example:
        >>> match_option("Answer: unsafe.", ["safe", "unsafe"])
        ('unsafe', None)
        >>> match_option("It is safe or unsafe", ["safe", "unsafe"])
        (None, "names several options: 'safe', 'unsafe'")
    """
    folded = {fold(label(option)): option for option in options}
    whole = fold(_PREFIX.sub("", fold(text)))
    if whole in folded:
        return folded[whole], None
    names = sorted(folded, key=len, reverse=True)
    pattern = r"(?<![\w.\-/])(?:" + "|".join(map(re.escape, names)) + r")(?![\w\-/%]|\.\d)"
    found = {match.group() for match in re.finditer(pattern, whole)}
    # One letter inside prose is an article or a pronoun more often than a vote.
    found = {name for name in found if len(name) > 1}
    if len(found) == 1:
        return folded[found.pop()], None
    if found:
        named = ", ".join(repr(option) for name, option in folded.items() if name in found)
        return None, f"names several options: {named}"
    return None, f"names no option: {text.strip()[:60]!r}" if text.strip() else "is empty"


@dataclass(frozen=True)
class Reading:
    """What was read from a voter's reply."""

    ballot: Any = None
    """The vote as plain data; `None` when unreadable."""
    confidence: float | None = None
    reason: str | None = None
    unreadable: str | None = None
    """Why there is no ballot."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the voter gave, such as its findings."""


def read_ballot(reply: Any, options: Sequence[Any] | None) -> Reading:
    """Read a ballot from a voter's reply.

    Args:
        reply: A label, number, ranked list, text or data; `None` for an unreadable ballot; or a
            dict with `ballot` and, if the voter gave them, `confidence` and `reason`.
        options: The closed list of labels; without one, text is stripped and data stays as it is.

    Example:
        >>> read_ballot({"ballot": "Safe", "reason": "No threat."}, ["safe", "unsafe"]).ballot
        'safe'
        >>> read_ballot("maybe", ["safe", "unsafe"]).unreadable
        "names no option: 'maybe'"
    """
    if isinstance(reply, Mapping) and "ballot" in reply:
        read = read_ballot(reply["ballot"], options)
        known = {"ballot", "confidence", "reason"}
        return replace(
            read,
            confidence=reply.get("confidence"),
            reason=reply.get("reason"),
            details={key: part for key, part in reply.items() if key not in known},
        )
    if reply is None:
        return Reading(unreadable="the voter gave none")
    if options is None:
        value = reply.strip() if isinstance(reply, str) else reply
        return Reading(value) if value != "" else Reading(unreadable="is empty")
    if isinstance(reply, str):
        option, why = match_option(reply, options)
        return Reading(option, unreadable=why)
    if any(label(reply) == label(option) for option in options):
        return Reading(reply)
    return Reading(unreadable=f"is not an option: {label(reply)[:60]}")
