"""The report of a vote."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.counting import count, label, lead, posterior
from langgraph_parallel.aggregators.rules import reads
from langgraph_parallel.aggregators.types import Ballot, Decision
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Round
from langgraph_parallel.nodes.report import make_report
from langgraph_parallel.nodes.tally import cast, ending, readable
from langgraph_parallel.nodes.voting_spec import VotingSpec


def voting_report(
    spec: VotingSpec,
    dispatch: Round,
    results: Sequence[BranchResult],
    ballots: Sequence[Ballot],
    decision: Decision,
) -> dict[str, Any]:
    """Make the report of a vote.

    Args:
        spec: The options.
        dispatch: The last round.
        results: Of all branches, by index.
        ballots: Those that counted.
        decision: What became of them.
    """
    report = {
        **make_report("voting", dispatch, results, dispatch.get("asked")),
        "voters": [voter.name for voter in spec.electors],
        "decision": decision.value,
        "decided": decision.decided,
        "tied": list(decision.tied),
        **_figures(spec, ballots, decision),
        "threshold": _threshold(spec, ballots),
        "stopped_by": _stopped_by(spec, ballots, len(cast(spec, results))),
        "rounds": dispatch["round"],
        "calls": _calls(cast(spec, results)),
        "dissent": [
            {"index": b.index, "voter": b.voter, "ballot": b.value, "reason": b.reason}
            for b in ballots
            if not _agrees(spec, b, decision)
        ],
    }
    if spec.advisers:
        advisers = {voter.name for voter in spec.advisers}
        advice = readable([result for result in results if result["name"] in advisers])
        report["advice"] = [
            {"index": b.index, "voter": b.voter, "ballot": b.value, "reason": b.reason}
            for b in advice
        ]
    if spec.merge is not None:
        report["merged"] = _merged(dispatch.get("merged") or {})
    if dispatch.get("judging"):
        verdict = next(iter(readable(results[-1:])), None)
        report["judged"] = verdict and {"ballot": verdict.value, "reason": verdict.reason}
    return report


def undecided_text(
    spec: VotingSpec,
    dispatch: Round,
    results: Sequence[BranchResult],
    ballots: Sequence[Ballot],
) -> str:
    """Say why there is no decision."""
    calls = cast(spec, results)
    why = [f"{count(ballots) or 'no readable ballot'} from {len(calls)} calls."]
    unreadable = [r["output"]["unreadable"] for r in calls if r["status"] == "ok"]
    if reason := next(filter(None, unreadable), None):
        why.append(f"One ballot {reason.rstrip('.')}.")
    if dispatch.get("judging"):
        why.append(f"The judge's ballot cannot be read: {_failure(results[-1])}")
    return f"The vote ended without a decision: {' '.join(why)}"


def undecided_advice(spec: VotingSpec) -> str:
    """Say what can be done about a vote without a decision."""
    ways = [way for way in ("abstain", "judge", "more") if way != spec.on_undecided]
    return (
        "Ask more voters, choose another rule, or set "
        f"on_undecided={' or '.join(map(repr, ways))}, or a default."
    )


def _failure(result: BranchResult) -> str:
    return str(result["error"] or result["output"]["unreadable"])


def _agrees(spec: VotingSpec, ballot: Ballot, decision: Decision) -> bool:
    """Say whether a ballot is for the decision; of a ranking its first place is."""
    if reads(spec.decide) == "number" and decision.decided:
        return True
    value = ballot.value
    if reads(spec.decide) == "ranked" and isinstance(value, list):
        value = value[0] if value else None
    return decision.decided and label(value) == label(decision.value)


def _figures(spec: VotingSpec, ballots: Sequence[Ballot], decision: Decision) -> dict[str, Any]:
    counts = count(ballots)
    votes = [*sorted(counts.values(), reverse=True), 0, 0]
    won = sum(_agrees(spec, b, decision) for b in ballots) if decision.decided else votes[0]
    return {
        "counts": counts,
        "lead": lead(counts.values()),
        "agreement": round(won / len(ballots), 4) if ballots else 0.0,
        "posterior": round(posterior(votes[0], votes[1]), 4),
    }


def _threshold(spec: VotingSpec, ballots: Sequence[Ballot]) -> int | None:
    """Give the votes of the first label with which the stop ends the vote, the others as they are.

    `None` where no number of votes up to the cap does; where it is the number of ballots that ends
    the vote, whatever they say; and for rules by which not all labels need the same votes.
    """
    is_fixed = getattr(spec.enough, "votes", None) is not None
    if is_fixed or reads(spec.decide) != "counts" or getattr(spec.decide, "labels", None):
        return None
    counts = spec.count(ballots)
    first = max(counts, key=lambda name: counts[name], default="")
    others = len(ballots) - counts.get(first, 0)
    second = max((n for name, n in counts.items() if name != first), default=0)
    for votes in range(max(second, 1), spec.votes - others + 1):
        if spec.enough({**counts, first: votes}, others + votes, spec.votes):
            return votes
    return None


def _stopped_by(spec: VotingSpec, ballots: Sequence[Ballot], started: int) -> str:
    end = ending(spec, ballots)
    if spec.extends and len(ballots) > (end or spec.votes) and started >= spec.calls:
        return "max_calls"
    if end is not None:
        return "stop"
    return "max_votes" if len(ballots) >= spec.votes else "max_calls"


def _calls(results: Sequence[BranchResult]) -> dict[str, int]:
    cancelled = sum(result["status"] == "cancelled" for result in results)
    good = len(readable(results))
    return {
        "started": len(results),
        "readable": good,
        "unreadable": len(results) - cancelled - good,
        "cancelled": cancelled,
    }


def _merged(stands_for: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give by label of what others stand for the labels that do."""
    groups: dict[str, list[str]] = {}
    for name, value in stands_for.items():
        if name != label(value):
            groups.setdefault(label(value), []).append(name)
    return groups
