"""Rules for ranked ballots: lists of labels, best first."""

from collections.abc import Sequence
from typing import Any

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.ties import Tie, break_tie, check_tie
from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision, Rule


def borda(*, tie: Tie = "first") -> Rule:
    """Points by rank: of m labels the first gets m - 1, the last 0; most points win.

    The labels are all that any ballot names. Those that a ballot leaves out share its remaining
    points. Missing ballots are ignored. No ballots, or only empty ones: undecided.

    Source: J.-C. de Borda, Mémoire sur les élections au scrutin, 1781.

    Args:
        tie: As in `plurality`; the first is the label that the ballot of the lowest index ranks
            higher.

    Raises:
        SetupError: `tie` is unknown.

    Example:
        >>> borda()([Ballot(["a", "b", "c"]), Ballot(["b", "c", "a"], index=1)]).value
        'b'
    """
    check_tie(tie)

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        ranks = _ranks(ballots)
        values = _values(ballots)
        if not values:
            return UNDECIDED
        points = {name: sum(_points(rank, name, len(values)) for rank in ranks) for name in values}
        most = max(points.values())
        return break_tie([values[name] for name in values if points[name] == most], tie)

    rule.reads = "ranked"  # type: ignore[attr-defined]
    rule.tie = tie  # type: ignore[attr-defined]
    return rule


def instant_runoff() -> Rule:
    """Drop the label with the fewest first places until one has more than half of them.

    A ballot counts for the highest of its labels that is still in; a ballot that has none left is
    exhausted and counts no more. Among labels with the fewest first places the one that the ballot
    of the lowest index ranks lowest is dropped, one that it leaves out before those that it names.
    Missing ballots are ignored. No ballots, or only empty ones: undecided.

    Source: T. Hare's single transferable vote for one seat (W. R. Ware, 1871).

    Example:
        >>> votes = [["a"], ["a"], ["b", "c"], ["c", "b"], ["c", "b"]]
        >>> instant_runoff()([Ballot(v, index=i) for i, v in enumerate(votes)]).value
        'c'
    """

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        ranks = _ranks(ballots)
        values = _values(ballots)
        left = list(values)
        while left:
            tops = [next((name for name in rank if name in left), None) for rank in ranks]
            votes = {name: tops.count(name) for name in left}
            first = max(left, key=lambda name: votes[name])
            if 2 * votes[first] > sum(votes.values()) or len(left) == 1:
                return Decision(values[first])
            fewest = [name for name in left if votes[name] == min(votes.values())]
            left.remove(fewest[-1])  # `values` is ordered by the ballot of the lowest index
        return UNDECIDED

    rule.reads = "ranked"  # type: ignore[attr-defined]
    return rule


def _ranks(ballots: Sequence[Ballot]) -> list[list[str]]:
    """Give each ballot's labels, each once, ballots by index."""
    ordered = sorted(ballots, key=lambda ballot: ballot.index)
    return [list(dict.fromkeys(label(value) for value in _ranking(b))) for b in ordered]


def _values(ballots: Sequence[Ballot]) -> dict[str, Any]:
    """Give all values by label, in order of the ballot of the lowest index that names them."""
    ordered = sorted(ballots, key=lambda ballot: ballot.index)
    values: dict[str, Any] = {}
    for ballot in ordered:
        for value in _ranking(ballot):
            values.setdefault(label(value), value)
    return values


def _ranking(ballot: Ballot) -> list[Any]:
    return list(ballot.value) if isinstance(ballot.value, (list, tuple)) else [ballot.value]


def _points(rank: list[str], name: str, labels: int) -> float:
    if name in rank:
        return labels - 1 - rank.index(name)
    left_out = labels - len(rank)
    return (left_out - 1) / 2
