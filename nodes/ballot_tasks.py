"""Makes the tasks of a round: which voter casts which ballot, and which share a request."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langgraph_parallel.nodes.ballot import ballot_prompt
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.choices import has_choices
from langgraph_parallel.nodes.dispatch import Round
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.run import Parcel, Task, default_for, make_task
from langgraph_parallel.nodes.tally import kept
from langgraph_parallel.nodes.voter import Voter, case_for_judge
from langgraph_parallel.nodes.voting_spec import VotingSpec


async def ballot_parcels(spec: VotingSpec, dispatch: Round, value: Any) -> list[Parcel]:
    """Make the parcels of a round, by index; the ballots of a parcel share one request.

    Args:
        spec: The options.
        dispatch: The round.
        value: The input of the vote.
    """
    default = await default_for(spec.voters, spec.model)
    parcels: dict[str | int, Parcel] = {}
    for index in range(dispatch["first"], dispatch["first"] + dispatch["count"]):
        voter = spec.voter_at(index)
        key = voter.name if _shares(spec, voter, default) else index
        parcel = parcels.setdefault(key, Parcel(dispatch=dispatch, tasks=[]))
        parcel["tasks"].append(_task(spec, index, voter, default, value))
    return list(parcels.values())


async def judge_parcel(
    spec: VotingSpec,
    judge: Voter,
    dispatch: Round,
    results: Sequence[BranchResult],
    value: Any,
) -> Parcel:
    """Make the parcel of the judge, who sees the ballots that counted.

    Args:
        spec: The options.
        judge: The judge.
        dispatch: The judge's round.
        results: Of all voters.
        value: The input of the vote.
    """
    ballots = [
        {"voter": b.voter, "ballot": b.value, "reason": b.reason}
        for b in kept(spec, dispatch, results)
    ]
    questions = [voter.prompt for voter in spec.electors if voter.prompt is not None]
    case = case_for_judge(questions, value, ballots)
    default = await default_for([judge], spec.model)
    return Parcel(dispatch=dispatch, tasks=[_task(spec, dispatch["first"], judge, default, case)])


def _task(spec: VotingSpec, index: int, voter: Voter, default: ModelLike, value: Any) -> Task:
    prompt = ballot_prompt(voter, spec.choices, is_ranked=spec.is_ranked(voter))
    return make_task(index, replace(voter, prompt=prompt), default, value)


def _shares(spec: VotingSpec, voter: Voter, default: ModelLike) -> bool:
    """Say whether a voter's ballots of one round come from one request."""
    if not spec.one_request or voter.prompt is None or spec.pace == "all_at_once":
        return False
    return has_choices(voter.model if voter.model is not None else default)
