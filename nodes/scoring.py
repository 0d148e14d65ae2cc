"""Gives a ballot its score, for the rule `best_of`."""

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.aggregators.ballots import Reading, is_number, read_number
from langgraph_parallel.nodes.attempt import attempt
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.voting_spec import VotingSpec

_NUMBER_ONLY = "Answer with a number only."


async def scored(
    spec: VotingSpec, reading: Reading, value: Any, config: RunnableConfig, runtime: Runtime[Any]
) -> Reading:
    """Score a readable ballot if the rule has a scorer.

    One whose score is no finite number, or whose scorer fails, becomes unreadable: the ballot was
    paid for, so the scorer alone is tried again.

    Args:
        spec: The options of the vote.
        reading: The ballot.
        value: The input of the vote.
        config: Callbacks and tags of the branch.
        runtime: LangGraph's runtime.
    """
    scorer = getattr(spec.decide, "scorer", None)
    if scorer is None or reading.unreadable is not None:
        return reading

    async def judge() -> Any:
        if not isinstance(scorer, str):
            return plain(await run(scorer, reading.ballot, config, runtime, input=value))
        prompt = f"{scorer.rstrip()}\n\n{_NUMBER_ONLY}"
        messages = render(prompt, {"input": value, "ballot": reading.ballot})
        reply = await ask(await get_model(spec.model), messages, None, config)
        number = read_number(Reading(reply))
        return reply if number.unreadable else number.ballot

    outcome = await attempt(judge, place=nullcontext(), retries=spec.retries)
    score = outcome.output
    if isinstance(outcome.error, BaseException):
        return replace(reading, unreadable=f"could not be scored: {explain(outcome.error)}")
    if not is_number(score) or not math.isfinite(score):
        return replace(reading, unreadable=f"has no score: {str(score)[:60]!r} is no number")
    return replace(reading, score=float(score))
