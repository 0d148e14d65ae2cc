"""Stops: when enough votes are in.

Each stop is a factory that returns a plain function of the counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.counting import label, lead, posterior
from langgraph_parallel.aggregators.rounds import any_order
from langgraph_parallel.aggregators.rules import plurality
from langgraph_parallel.aggregators.types import Ballot, Rule, Stop
from langgraph_parallel.errors import SetupError

_UNSEEN = "\0unseen"  # a label that no ballot has


def fixed(votes: int) -> Stop:
    """Stop after this many readable ballots.

    Args:
        votes: 1 or more.

    Raises:
        SetupError: `votes` is below 1.

    Example:
        >>> fixed(3)({"a": 2}, 2, 15), fixed(3)({"a": 2, "b": 1}, 3, 15)
        (False, True)
    """
    _check("fixed", votes, "asks nobody. Give a number of votes from 1 up")

    def stop(counts: Mapping[str, int], n: int, cap: int) -> bool:
        return n >= votes

    stop.votes = votes  # type: ignore[attr-defined]
    return stop


def ahead_by(k: int) -> Stop:
    """Stop when the first label is k votes ahead of the second.

    Source: the "first to be ahead by k" rule of MAKER (Meyerson et al. 2025, arXiv 2511.09030),
    a sequential probability ratio test for votes of equal quality.

    Args:
        k: Votes ahead, 1 or more.

    Raises:
        SetupError: k is below 1.

    Example:
        >>> ahead_by(2)({"a": 3, "b": 2}, 5, 15), ahead_by(2)({"a": 3, "b": 1}, 4, 15)
        (False, True)
    """
    _check("ahead_by", k, "stops before the first vote. Give a lead from 1 up")

    def stop(counts: Mapping[str, int], n: int, cap: int) -> bool:
        return lead(counts.values()) >= k

    return stop


def first_to(k: int) -> Stop:
    """Stop when a label has k votes.

    Args:
        k: Votes, 1 or more.

    Raises:
        SetupError: k is below 1.

    Example:
        >>> first_to(2)({"a": 1, "b": 1}, 2, 9), first_to(2)({"a": 2, "b": 1}, 3, 9)
        (False, True)
    """
    _check("first_to", k, "stops before the first vote. Give a number from 1 up")

    def stop(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        return max(counts.values(), default=0) >= k

    return stop


def beta(threshold: float = 0.95) -> Stop:
    """Stop when the first label is the more frequent one with this probability.

    It is worked out from the votes of the first label and of the second, as if every share between
    them had been equally likely before; the report has it as `posterior`. It says how settled the
    vote is, not how likely its answer is right.

    Source: adaptive self-consistency (Aggarwal et al. 2023, arXiv 2305.11860).

    Args:
        threshold: From 0.5 to below 1.

    Raises:
        SetupError: The threshold is out of its range.

    Example:
        >>> beta(0.95)({"a": 3}, 3, 39), beta(0.95)({"a": 4}, 4, 39)
        (False, True)
    """
    if not 0.5 <= threshold < 1:  # noqa: PLR2004
        raise SetupError(
            f"beta({threshold}) is never or always reached. Give a probability from 0.5 to below 1."
        )

    def stop(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        first, second = sorted([*counts.values(), 0, 0], reverse=True)[:2]
        return n > 0 and posterior(first, second) >= threshold

    return stop


def quorum(votes: int, then: Stop) -> Stop:
    """Keep another stop from stopping before this many readable ballots are in.

    Args:
        votes: Readable ballots, 1 or more.
        then: The stop that holds from there on.

    Raises:
        SetupError: `votes` is below 1.

    Example:
        >>> quorum(3, ahead_by(2))({"a": 2}, 2, 9), quorum(3, ahead_by(2))({"a": 3}, 3, 9)
        (False, True)
    """
    _check("quorum", votes, "holds nothing back. Give a number of votes from 1 up")
    _check_callable("quorum", then)

    def stop(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        return n >= votes and then(counts, n, cap)

    stop.any_order = any_order(then)  # type: ignore[attr-defined]
    stop.labels = getattr(then, "labels", ())  # type: ignore[attr-defined]
    return stop


def unanimous_or(escalate: Stop, *, first: int = 2) -> Stop:
    """Stop when the first few ballots all agree; if they do not, go on to another stop.

    Args:
        escalate: The stop that holds from there on, such as `fixed(5)`.
        first: Ballots that must agree, 2 or more.

    Raises:
        SetupError: `first` is below 2.

    Example:
        >>> stop = unanimous_or(fixed(5))
        >>> stop({"a": 2}, 2, 9), stop({"a": 1, "b": 1}, 2, 9), stop({"a": 4, "b": 1}, 5, 9)
        (True, False, True)
    """
    if not isinstance(first, int) or first < 2:  # noqa: PLR2004
        raise SetupError(f"unanimous_or(first={first}) asks too few to disagree. Give 2 or more.")
    _check_callable("unanimous_or", escalate)

    def stop(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        return n >= first and (len(counts) == 1 or escalate(counts, n, cap))

    stop.labels = getattr(escalate, "labels", ())  # type: ignore[attr-defined]
    return stop


def settled(rule: Rule | None = None, options: Sequence[Any] = (), size: int | None = None) -> Stop:
    """Stop when the ballots that are still to come cannot change the decision.

    It tries the extremes: all of them for one label (each known one, each option or label of the
    rule, one unseen), or none of them readable. For a rule in which more votes for a label never
    harm it, no mixture can do what these cannot. While there is no decision, it goes on.

    Args:
        rule: The rule that decides. When left out that of the voting graph, or plurality without
            one. A rule of your own that treats one label unlike the others names it in an
            attribute `labels`, or is given with options.
        options: The closed list of labels, if there is one.
        size: The size of the panel, as the rule gets it.

    Example:
        >>> settled()({"a": 3, "b": 1}, 4, 5), settled()({"a": 2, "b": 1}, 3, 5)
        (True, False)
    """
    decide = rule or plurality()
    known = [*options] or [*getattr(decide, "labels", ())]
    values = {label(value): value for value in known}

    def stop(counts: Mapping[str, int], n: int, cap: int) -> bool:
        cast = [values.get(name, name) for name, votes in counts.items() for _ in range(votes)]
        rest = max(cap - n, 0)
        rivals = known if options else [*counts, *known, _UNSEEN]
        futures = [cast, *([*cast, *[rival] * rest] for rival in rivals)]
        decisions = [decide(_ballots(future), size) for future in futures]
        winner = label(decisions[0].value)
        # A tie is broken by the ballots' index, which counts do not tell: so it is not settled.
        return not rest or all(
            d.decided and not d.tied and label(d.value) == winner for d in decisions
        )

    stop.any_order = True  # type: ignore[attr-defined]
    stop.labels = tuple(values)  # type: ignore[attr-defined]
    stop.is_for_any_rule = rule is None  # type: ignore[attr-defined]
    return stop


def _check(name: str, number: int, why: str) -> None:
    if not isinstance(number, int) or number < 1:
        raise SetupError(f"{name}({number!r}) {why}.")


def _check_callable(name: str, stop: Stop) -> None:
    if not callable(stop):
        raise SetupError(
            f"{name} goes on to {stop!r}, which is no stop. Give a function such as fixed(5)."
        )


def _ballots(values: Sequence[Any]) -> list[Ballot]:
    return [Ballot(value, index=index) for index, value in enumerate(values)]
