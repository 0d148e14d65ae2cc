"""Counting the ballots of a run: pure functions from results to rounds and reports."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.counting import count, label, lead, posterior
from langgraph_parallel.aggregators.stops import any_order, need
from langgraph_parallel.aggregators.types import Ballot, Decision
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Round
from langgraph_parallel.nodes.report import make_report
from langgraph_parallel.nodes.voter import Voter, VotingSpec


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
        )
        for result in results
        if result["status"] == "ok" and result["output"]["unreadable"] is None
    ]


def counted(spec: VotingSpec, ballots: Sequence[Ballot]) -> list[Ballot]:
    """Give the ballots that asking one by one would have had: up to where the stop fires."""
    for n in range(1, min(len(ballots), spec.votes) + 1):
        if spec.enough(count(ballots[:n]), n, spec.votes):
            return list(ballots[:n])
    return list(ballots[: spec.votes])


def voting_report(
    spec: VotingSpec, dispatch: Round, results: Sequence[BranchResult], decision: Decision
) -> dict[str, Any]:
    """Make the report of a vote."""
    ballots = counted(spec, readable(results, spec.voters))
    counts = count(ballots)
    votes = [*sorted(counts.values(), reverse=True), 0, 0]
    won = counts.get(label(decision.value), 0) if decision.decided else votes[0]
    n, started = len(ballots), len(results)
    cancelled = sum(result["status"] == "cancelled" for result in results)
    if spec.enough(counts, n, spec.votes):
        stopped_by = "stop"
    else:
        stopped_by = "max_votes" if n >= spec.votes else "max_calls"
    return {
        **make_report("voting", dispatch, results),
        "decision": decision.value,
        "decided": decision.decided,
        "counts": counts,
        "lead": lead(counts.values()),
        "agreement": round(won / n, 4) if n else 0.0,
        "posterior": round(posterior(votes[0], votes[1]), 4),
        "stopped_by": stopped_by,
        "rounds": dispatch["round"],
        "calls": {
            "started": started,
            "readable": len(readable(results)),
            "unreadable": started - cancelled - len(readable(results)),
            "cancelled": cancelled,
        },
        "dissent": [
            {"index": b.index, "voter": b.voter, "ballot": b.value, "reason": b.reason}
            for b in ballots
            if not decision.decided or label(b.value) != label(decision.value)
        ],
    }


def round_size(spec: VotingSpec, counts: Mapping[str, int], n: int, started: int) -> int:
    """Give the number of calls of the next round; 0 when voting is over."""
    needed = need(spec.enough, counts, n, spec.votes)
    if needed == 0:
        return 0
    size = {
        "lossless": needed,
        "doubling": max(needed, started),
        "all_at_once": spec.votes - n,
    }[spec.rounds]
    return min(size, spec.votes - n, spec.calls - started)


def is_settled(spec: VotingSpec, outcomes: Mapping[int, BranchResult]) -> bool:
    """Say whether calls in flight cannot change the decision any more."""
    known = [outcomes[index] for index in sorted(outcomes)]
    if any_order(spec.enough):
        ballots = readable(known)
        return spec.enough(count(ballots), len(ballots), spec.votes)
    first_open = next(i for i in range(len(outcomes) + 1) if i not in outcomes)
    ballots = readable(known[:first_open])
    return any(spec.enough(count(ballots[:n]), n, spec.votes) for n in range(1, len(ballots) + 1))
