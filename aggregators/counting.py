"""Counting ballots by label."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from langgraph_parallel.aggregators.types import Ballot


def label(value: Any) -> str:
    """Name a ballot's value, so that equal values are counted together.

    Text stays as it is; everything else becomes JSON with sorted keys and whole numbers as such.

    Example:
        >>> label("safe"), label(True), label({"b": 1.0, "a": 2})
        ('safe', 'true', '{"a": 2, "b": 1}')
    """
    if isinstance(value, str):
        return value
    data = json.loads(json.dumps(value), parse_float=_number)
    return json.dumps(data, sort_keys=True, ensure_ascii=False)


def count(ballots: Iterable[Ballot], mark: Callable[[Ballot], str] | None = None) -> dict[str, int]:
    """Count votes per label, labels in order of their first ballot's index.

    Args:
        ballots: The ballots.
        mark: Names what a ballot counts as; by default its value.

    Example:
        >>> count([Ballot("b", index=1), Ballot("a", index=0), Ballot("b", index=2)])
        {'a': 1, 'b': 2}
    """
    counts: dict[str, int] = {}
    for ballot in sorted(ballots, key=lambda ballot: ballot.index):
        name = label(ballot.value) if mark is None else mark(ballot)
        counts[name] = counts.get(name, 0) + 1
    return counts


def lead(counts: Iterable[int]) -> int:
    """Give the number of votes by which the first label is ahead of the second.

    Example:
        >>> lead([4, 1, 2]), lead([3]), lead([])
        (2, 3, 0)
    """
    first, second = sorted([*counts, 0, 0], reverse=True)[:2]
    return first - second


def posterior(first: int, second: int) -> float:
    """Give the probability that the first label is the more frequent one, from two counts.

    With a uniform prior over the share of the first among the two, the share is above one half
    with this probability. It says how settled the vote is, not how likely its answer is right.

    Source: the beta-binomial stop of adaptive self-consistency (Aggarwal et al. 2023, arXiv
    2305.11860), here as an exact sum of binomial coefficients.

    Example:
        >>> posterior(1, 1), posterior(3, 0)
        (0.5, 0.9375)
    """
    total = first + second + 1
    ways = chosen = 1  # sums of and single binomial coefficients
    for i in range(first):
        chosen = chosen * (total - i) // (i + 1)
        ways += chosen
    return float(ways / 2**total)


def _number(digits: str) -> float:
    number = float(digits)
    return int(number) if number.is_integer() else number
