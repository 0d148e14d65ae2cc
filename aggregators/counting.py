"""Counting ballots by label."""

import json
from collections.abc import Iterable
from typing import Any

from langgraph_parallel.aggregators.types import Ballot


def label(value: Any) -> str:
    """Name a ballot's value, so that equal values are counted together.

    Text stays as it is; everything else becomes JSON with sorted keys.

    Example:
        >>> label("safe"), label(True), label({"b": 1, "a": 2})
        ('safe', 'true', '{"a": 2, "b": 1}')
    """
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def count(ballots: Iterable[Ballot]) -> dict[str, int]:
    """Count votes per label, labels in order of their first ballot's index.

    Example:
        >>> count([Ballot("b", index=1), Ballot("a", index=0), Ballot("b", index=2)])
        {'a': 1, 'b': 2}
    """
    counts: dict[str, int] = {}
    for ballot in sorted(ballots, key=lambda ballot: ballot.index):
        name = label(ballot.value)
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
