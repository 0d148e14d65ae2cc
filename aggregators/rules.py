"""Voting rules: who wins.

Each rule is a factory that returns a plain function from ballots to a decision. What all of them
promise: the order of arrival never matters, only the ballots' index; unreadable ballots are not
among the ballots; no ballots give no decision.
"""

import math
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from langgraph_parallel.aggregators.counting import count, label
from langgraph_parallel.aggregators.numeric import median, trimmed_mean
from langgraph_parallel.aggregators.ranked import borda, instant_runoff
from langgraph_parallel.aggregators.ties import Tie, break_tie, check_tie
from langgraph_parallel.aggregators.types import (
    UNDECIDED,
    Ballot,
    Decision,
    Rule,
)
from langgraph_parallel.aggregators.weighted import weighted
from langgraph_parallel.errors import SetupError

_ROUNDING = 1e-9  # 0.28 of 25 is 7 ballots, though 0.28 * 25 > 7 in floating point


def plurality(*, tie: Tie = "first") -> Rule:
    """Most votes win, however few.

    No ballots: undecided. Missing ballots are ignored.

    Args:
        tie: When labels share the first place: `"first"`, the one whose first ballot has the
            lowest index; `"one_more"`, one more ballot is asked for; `"undecided"`; or a list of
            labels, the most cautious first, of which the first one wins.

    Raises:
        SetupError: `tie` is not one of these.

    Example:
        >>> plurality()([Ballot("b"), Ballot("a", index=1), Ballot("a", index=2)]).value
        'a'
    """
    check_tie(tie)

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        winners = _leaders(ballots)
        return break_tie(winners, tie) if winners else UNDECIDED

    rule.tie = tie  # type: ignore[attr-defined]
    return rule


def majority() -> Rule:
    """More than half of all ballots win; of a panel, unreadable ballots count as not given.

    No ballots, or nobody above half: undecided. A tie is never a majority.

    Example:
        >>> two_of_four = [Ballot("a"), Ballot("a", index=1)]
        >>> majority()(two_of_four, 4).decided, majority()(two_of_four, 3).value
        (False, 'a')
    """

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        winners = _leaders(ballots)
        if not winners:
            return UNDECIDED
        whole = len(ballots) if size is None else size
        votes = count(ballots)[label(winners[0])]
        if 2 * votes > whole:
            return Decision(winners[0])
        return Decision(None, decided=False, tied=tuple(winners) if len(winners) > 1 else ())

    rule.tie = "undecided"  # type: ignore[attr-defined]
    return rule


def at_least(k: float, flag: Any = True, otherwise: Any = False) -> Rule:
    """Flag when at least k ballots say so.

    A ballot that is missing (unreadable, failed, not yet cast) is no vote for either side: while
    it could still change the outcome, there is no decision. Ties cannot occur. No ballots:
    undecided.

    Args:
        k: A number of ballots (`int`, 1 or more), or a share of the panel (`float`, above 0 and
            up to 1.0).
        flag: The value that is counted.
        otherwise: The value of the decision when fewer than k ballots flag.

    Raises:
        SetupError: k is neither.

    Example:
        >>> two = at_least(2, "unsafe", "safe")
        >>> two([Ballot("unsafe"), Ballot("unsafe", index=1)], 3).value
        'unsafe'
        >>> two([Ballot("unsafe"), Ballot("safe", index=1)], 3).decided
        False
    """
    share = isinstance(k, float)
    is_number = isinstance(k, (int, float)) and not isinstance(k, bool)
    if not is_number or not (0 < k <= 1 if share else k >= 1):
        raise SetupError(
            f"at_least({k!r}) cannot be reached or means nothing. Give a number of ballots from 1 "
            "up (int), or a share of the panel above 0 and up to 1.0 (float)."
        )

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        whole = len(ballots) if size is None else size
        needed = max(math.ceil(k * whole - _ROUNDING), 1) if share else k
        flags = count(ballots).get(label(flag), 0)
        if not ballots:
            return UNDECIDED
        if flags >= needed:
            return Decision(flag)
        missing = whole - len(ballots)
        return Decision(otherwise) if flags + missing < needed else UNDECIDED

    rule.needs = 1 if share else k  # type: ignore[attr-defined]
    rule.labels = (flag, otherwise)  # type: ignore[attr-defined]
    return rule


def any_vote(flag: Any = True, otherwise: Any = False) -> Rule:
    """Flag as soon as one ballot does: `at_least(1)`.

    Example:
        >>> any_vote("hole", "clean")([Ballot("clean"), Ballot("hole", index=1)]).value
        'hole'
    """
    return at_least(1, flag, otherwise)


def all_votes(flag: Any = True, otherwise: Any = False) -> Rule:
    """Flag only if every ballot of the panel does: `at_least(1.0)`.

    Example:
        >>> all_votes()([Ballot(True), Ballot(False, index=1)]).value
        False
    """
    return at_least(1.0, flag, otherwise)


_PLAIN: dict[str, Callable[[], Rule]] = {
    "plurality": plurality,
    "majority": majority,
    "weighted": weighted,
    "borda": borda,
    "instant_runoff": instant_runoff,
    "median": median,
    "trimmed_mean": trimmed_mean,
}


def reads(rule: Callable[..., Any]) -> str:
    """Say what a rule reads beyond the counts of labels.

    A rule of your own that reads more says so by an attribute `reads`, an async one always does;
    then it is not combined with the stop `settled`, which knows the counts alone.

    Returns:
        `"counts"`, or `"weighted"`, `"ranked"`, `"number"`, `"score"` or `"text"`.

    Example:
        >>> reads(majority()), reads(borda())
        ('counts', 'ranked')
    """
    is_async = iscoroutinefunction(rule) or iscoroutinefunction(type(rule).__call__)
    return str(getattr(rule, "reads", "text" if is_async else "counts"))


def is_own(function: Callable[..., Any]) -> bool:
    """Say whether a rule or stop is one of the library's.

    Those are known to be quick, to take any counts, and to treat all labels alike but for those in
    their attribute `labels`.

    Example:
        >>> is_own(plurality()), is_own(sum)
        (True, False)
    """
    return str(getattr(function, "__module__", "")).startswith(__package__ or "")


def rule_named(name: str, options: Sequence[Any] = ()) -> Rule:
    """Build a rule from its name.

    Args:
        name: `plurality`, `majority`, `weighted`, `borda`, `instant_runoff`, `median`,
            `trimmed_mean`, `any`, `all` or `at_least_K` with a whole number K.
        options: The closed list of labels. For `any`, `all` and `at_least_K` the first of two is
            the one that flags; without options the ballots are `True` and `False`.

    Raises:
        SetupError: Unknown name, or a flagging rule on other than two options.

    Example:
        >>> rule_named("any", ["unsafe", "safe"])([Ballot("safe")]).value
        'safe'
    """
    if name in _PLAIN:
        return _PLAIN[name]()
    base, _, k = name.rpartition("_")
    if name not in {"any", "all"} and not (base == "at_least" and k.isdecimal()):
        raise SetupError(
            f"Unknown rule {name!r}. Allowed: {', '.join(map(repr, _PLAIN))}, 'any', 'all', "
            "'at_least_K' such as 'at_least_2', or a function of your own from ballots to a "
            "Decision."
        )
    if options and len(options) != 2:  # noqa: PLR2004
        raise SetupError(
            f"The rule {name!r} flags the first of two options, but there are {len(options)}: "
            f"{list(options)}. Give two options, or build the rule with its labels, as in "
            "at_least(2, 'unsafe', 'safe')."
        )
    flag, otherwise = options or (True, False)
    if name == "any":
        return any_vote(flag, otherwise)
    if name == "all":
        return all_votes(flag, otherwise)
    return at_least(int(k), flag, otherwise)


def _leaders(ballots: Sequence[Ballot]) -> list[Any]:
    """Give the values with the most votes, in order of their first ballot's index."""
    counts = count(ballots)
    if not counts:
        return []
    values: dict[str, Any] = {}
    for ballot in sorted(ballots, key=lambda ballot: ballot.index):
        values.setdefault(label(ballot.value), ballot.value)
    most = max(counts.values())
    return [values[name] for name, votes in counts.items() if votes == most]
