"""Counting the ballots of a run: pure functions from results to rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.rounds import any_order, need
from langgraph_parallel.aggregators.types import Ballot
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Round
from langgraph_parallel.nodes.voter import Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec


def cast(spec: VotingSpec, results: Sequence[BranchResult]) -> list[BranchResult]:
    """Give the results of the voters that count, without advisers and judge."""
    names = {voter.name for voter in spec.electors}
    return [result for result in results if result["name"] in names]


def readable(results: Sequence[BranchResult], voters: Sequence[Voter] = ()) -> list[Ballot]:
    """Give the readable ballots by index, with the weights of their voters."""
    weights = {voter.name: voter.weight for voter in voters}
    return [
        Ballot(
            result["output"]["ballot"],
            index=result["index"],
            voter=result["name"],
            confidence=result["output"]["confidence"],
            reason=result["output"]["reason"],
            weight=weights.get(result["name"], 1.0),
            score=result["output"].get("score"),
        )
        for result in results
        if result["status"] == "ok" and result["output"]["unreadable"] is None
    ]


def stand_in(ballots: Sequence[Ballot], merged: Mapping[str, Any]) -> list[Ballot]:
    """Give each ballot the value that it stands for.

    Args:
        ballots: The ballots.
        merged: That value by label; ballots without one stay as they are.
    """
    return [replace(b, value=merged.get(label(b.value), b.value)) for b in ballots]


def kept(spec: VotingSpec, dispatch: Round, results: Sequence[BranchResult]) -> list[Ballot]:
    """Give the ballots that an earlier tally of the dispatch has counted."""
    ballots = readable(cast(spec, results), spec.voters)[: dispatch.get("kept")]
    return stand_in(ballots, dispatch.get("merged") or {})


def counted(spec: VotingSpec, ballots: Sequence[Ballot]) -> list[Ballot]:
    """Give the ballots that asking one by one would have had: up to where the stop fires."""
    return list(ballots[: ending(spec, ballots[: spec.votes]) or spec.votes])


def ending(spec: VotingSpec, ballots: Sequence[Ballot]) -> int | None:
    """Give the number of ballots, from the first on, after which the stop fires, if it does."""
    for n in range(1, len(ballots) + 1):
        if spec.enough(spec.count(ballots[:n]), n, spec.votes):
            return n
    return None


def round_size(spec: VotingSpec, counts: Mapping[str, int], n: int, started: int) -> int:
    """Give the number of calls of the next round; 0 when voting is over."""
    needed = need(spec.enough, counts, n, spec.votes)
    if needed == 0:
        return 0
    size = {
        "lossless": needed,
        "doubling": max(needed, started),
        "all_at_once": spec.votes - n,
    }[spec.pace]
    return min(size, spec.votes - n, spec.calls - started)


def is_settled(spec: VotingSpec, outcomes: Mapping[int, BranchResult]) -> bool:
    """Say whether calls in flight cannot change the decision any more."""
    # What merged ballots stand for is known at the tally only, and so is whether more are needed.
    if spec.merge is not None or spec.extends:
        return False
    known = [outcomes[index] for index in sorted(outcomes)]
    if any_order(spec.enough):
        ballots = readable(cast(spec, known))
        return spec.enough(spec.count(ballots), len(ballots), spec.votes)
    first = len(spec.advisers)
    in_order = range(first, first + len(outcomes) + 1)
    first_open = next(index for index in in_order if index not in outcomes)
    ballots = readable(cast(spec, [r for r in known if r["index"] < first_open]))
    return ending(spec, ballots) is not None
