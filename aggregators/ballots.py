"""Reading a ballot from a model's text."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from langgraph_parallel.aggregators.counting import label

_EDGES = " \t\n\r\"'`*_.,;:!?()[]{}<>“”‘’«»"
_NUMBER = re.compile(r"[<>]?[+\-]?\.?\d")  # what belongs to a number and is no edge
_LEAD = re.compile(
    r"^\W*(?:the\s+)?(?:final\s+)?(?:answer|label|vote|verdict|option)\s*(?:is\b|:|=)\s*"
)
_NEGATED = re.compile(
    r"(?:\b(?:no|non|not|never|neither|nor|cannot|without|hardly)|n['’]t)"
    r"(?:[^\w.,;:!?]+\w+){0,5}[^\w.,;:!?]*$"
)
_REACH = 80  # how far back a negation is looked for

# Where a whole word begins and ends; numbers keep their signs, decimals, fractions and bounds.
_BEGIN = r"(?<![\w.\-/])(?<!\d,)(?:(?!\d)|(?<!- )(?<![<>≤≥])(?<![<>]=))"
_END = r"(?![\w\-/%]|[.,]\d)"


def fold(text: str) -> str:
    """Fold case, Unicode forms, white space, quotes and outer punctuation.

    One-letter options, signs, decimals, fractions and percentages stay apart.

    Example:
        >>> fold(" **Safe.** "), fold("-5"), fold("3.5"), fold("(A)"), fold(".5")
        ('safe', '-5', '3.5', 'a', '.5')
    """
    text = _plain(text).rstrip(_EDGES)
    first = 0
    while first < len(text) and text[first] in _EDGES + "#" and not _NUMBER.match(text, first):
        first += 1
    return text[first:]


def match_option(text: str, options: Sequence[Any]) -> tuple[Any, str | None]:
    """Find the one option that a text names.

    First the whole text, then the text without a lead such as "Answer:", is compared with each
    option; then the options are looked for as whole words, where a longer option hides a shorter
    one inside it and options of one letter do not count, as they are articles and pronouns too.
    When none or several are named, or the one that is named is denied ("not safe"), the ballot is
    unreadable: it refuses rather than guesses.

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
    if not text.strip():
        return None, "is empty"
    rest = _LEAD.sub("", _plain(text))
    is_denied = False
    for form, whole in (
        (str.strip, text),
        (_plain, text),
        (fold, text),
        (_plain, rest),
        (fold, rest),
    ):
        wanted = form(whole)
        found = [option for option in options if wanted and form(label(option)) == wanted]
        if found:
            break
    else:
        found, is_denied = _in_prose(rest, options)
    if not found:
        return None, f"names no option: {text.strip()[:60]!r}"
    named = ", ".join(repr(option) for option in found)
    if len(found) > 1:
        return None, f"names several options: {named}"
    return (None, f"denies an option: {named}") if is_denied else (found[0], None)


def _plain(text: str) -> str:
    """Fold what never tells two options apart but for their case."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = re.sub(r"\s+", " ", text.replace("−", "-").replace("\N{FRACTION SLASH}", "/")).strip()
    return re.sub(r"(?<=\d) ?/ ?(?=\d)", "/", re.sub(r"(?<=\d) %", "%", text))


def _in_prose(text: str, options: Sequence[Any]) -> tuple[list[Any], bool]:
    """Find the options that a text names as whole words, and whether it denies one of them."""
    names = [fold(label(option)) for option in options]
    longest_first = sorted({name for name in names if len(name) > 1}, key=len, reverse=True)
    if not longest_first:
        return [], False
    pattern = f"{_BEGIN}(?=({'|'.join(map(re.escape, longest_first))}){_END})"
    found, is_denied, end = set(), False, 0
    for match in re.finditer(pattern, text):
        if match.end(1) > end:  # else it lies inside the one before
            found.add(match[1])
            end = match.end(1)
            before = text[max(match.start() - _REACH, 0) : match.start()]
            is_denied = is_denied or _NEGATED.search(before) is not None
    return [o for o, name in zip(options, names, strict=True) if name in found], is_denied


@dataclass(frozen=True)
class Reading:
    """What was read from a voter's reply."""

    ballot: Any = None
    """The vote as plain data; `None` when unreadable."""
    confidence: float | None = None
    reason: str | None = None
    unreadable: str | None = None
    """Why there is no ballot."""
    score: float | None = None
    """What a scorer gave the ballot, where the rule has one."""
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
            confidence=_share(reply.get("confidence")),
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
    for option in options:
        if label(reply) == label(option):
            return Reading(option)
    return Reading(unreadable=f"is not an option: {label(reply)[:60]}")


def _share(value: Any) -> float | None:
    """Read a confidence: a number from 0 to 1, or none."""
    number = read_number(Reading(value)).ballot
    return float(number) if is_number(number) and 0 <= number <= 1 else None


def read_number(reading: Reading) -> Reading:
    """Read a ballot as a finite number, also from a text that is one.

    Example:
        >>> read_number(Reading("3.5")).ballot, read_number(Reading("high")).unreadable
        (3.5, "is no number: 'high'")
    """
    value = reading.ballot
    if reading.unreadable is not None or (is_number(value) and math.isfinite(value)):
        return reading
    with suppress(TypeError, ValueError):
        number = float(value.strip()) if isinstance(value, str) else math.nan
        if math.isfinite(number):
            return replace(reading, ballot=int(number) if number.is_integer() else number)
    return replace(reading, ballot=None, unreadable=f"is no number: {str(value)[:60]!r}")


def is_number(value: Any) -> TypeGuard[int | float]:
    """Say whether a value is a number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_ranking(reply: Any, options: Sequence[Any] | None) -> Reading:
    """Read a ranking: a list of labels, best first, or a text with one on each line.

    It may leave options out. One that names an option twice, or something else, is unreadable.

    Args:
        reply: See `read_ballot`.
        options: The closed list of labels, if there is one.

    Example:
        >>> read_ranking(["B", "a"], ["a", "b"]).ballot
        ['b', 'a']
        >>> read_ranking(["a", "a"], ["a", "b"]).unreadable
        'names an option twice'
    """
    if isinstance(reply, Mapping) and "ballot" in reply:
        whole = read_ballot({**reply, "ballot": ""}, None)
        read = read_ranking(reply["ballot"], options)
        return replace(whole, ballot=read.ballot, unreadable=read.unreadable)
    if isinstance(reply, str):
        reply = [line for line in re.split(r"[\n,;>]+", reply) if line.strip()]
    if not isinstance(reply, list) or not reply:
        return Reading(unreadable="is no ranking")
    places = [
        read_ballot(
            re.sub(r"^\s*\d+[.)]\s+", "", place) if isinstance(place, str) else place, options
        )
        for place in reply
    ]
    for place in places:
        if place.unreadable is not None:
            return Reading(unreadable=place.unreadable)
    if len({label(place.ballot) for place in places}) < len(places):
        return Reading(unreadable="names an option twice")
    return Reading([place.ballot for place in places])
