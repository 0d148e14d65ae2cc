"""Gives a ballot its score, for the rule `best_of`."""

import math
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.aggregators.ballots import Reading, is_number, read_number
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.models import ModelLike, get_model
from langgraph_parallel.nodes.prompts import render

_NUMBER_ONLY = "Answer with a number only."


async def scored(
    reading: Reading,
    scorer: Any,
    value: Any,
    *,
    model: ModelLike,
    config: RunnableConfig,
    runtime: Runtime[Any],
) -> Reading:
    """Score a readable ballot; one whose score is no finite number becomes unreadable.

    Args:
        reading: The ballot.
        scorer: What `best_of` was given.
        value: The input of the vote.
        model: The chat model for a scorer that is a prompt.
        config: Callbacks and tags of the branch.
        runtime: LangGraph's runtime.
    """
    if reading.unreadable is not None:
        return reading
    if isinstance(scorer, str):
        messages = render(
            f"{scorer.rstrip()}\n\n{_NUMBER_ONLY}", {"input": value, "ballot": reading.ballot}
        )
        reply = await ask(await get_model(model), messages, None, config)
        score = read_number(Reading(reply)).ballot
    else:
        score = plain(await run(scorer, reading.ballot, config, runtime, input=value))
        reply = score
    if not is_number(score) or not math.isfinite(score):
        return replace(reading, unreadable=f"has no score: {str(reply)[:60]!r} is no number")
    return replace(reading, score=float(score))
