"""Asks a voter for its ballots, and reads them."""

from collections.abc import Sequence
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from pydantic import BaseModel

from langgraph_parallel.aggregators.ballots import Reading
from langgraph_parallel.nodes.ballot import ballot_schema, read_reply
from langgraph_parallel.nodes.cache import remembered
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.choices import ask_choices
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.run import Task
from langgraph_parallel.nodes.scoring import scored
from langgraph_parallel.nodes.voter import Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec

_DATA = ("{", "[", "```")
"""How a reply begins that was meant to be data; a label in it may be a part of something else."""


async def poll(
    spec: VotingSpec,
    voter: Voter,
    tasks: Sequence[Task],
    *,
    config: RunnableConfig,
    runtime: Runtime[Any],
    meter: Meter,
) -> list[dict[str, Any]]:
    """Ask a voter, and read a ballot for each task.

    Args:
        spec: The options.
        voter: Whom to ask.
        tasks: One task, or several that share a request.
        config: Callbacks and tags of the branch.
        runtime: LangGraph's runtime.
        meter: Is told of replies that were kept in a cache.

    Returns:
        The readings, as plain data.
    """
    replies = await _replies(spec, voter, tasks, config=config, runtime=runtime, meter=meter)
    readings = [_read(spec, voter, reply) for reply in replies]
    if voter in spec.electors:
        value = tasks[0]["input"]
        readings = [await scored(spec, r, value, config, runtime) for r in readings]
    return [vars(reading) for reading in readings]


async def _replies(
    spec: VotingSpec,
    voter: Voter,
    tasks: Sequence[Task],
    *,
    config: RunnableConfig,
    runtime: Runtime[Any],
    meter: Meter,
) -> list[Any]:
    """Give the replies as plain data, or a `ValueError` for one that does not fit the schema."""
    task = tasks[0]
    if task["prompt"] is None:
        return [plain(await run(voter.run, task["input"], config, runtime))]
    chosen = voter.model if voter.model is not None else spec.model
    schema = voter.schema or ballot_schema(spec.choices, is_ranked=spec.is_ranked(voter))

    async def asked(model: BaseChatModel) -> list[Any]:
        messages = render(task["prompt"] or "", task["input"])
        if len(tasks) > 1:
            return await ask_choices(model, messages, schema, len(tasks), config)
        reply = await _reply(model, messages, schema, config)
        return [reply if voter.schema else _text_of(reply)]

    replies: list[Any] = await remembered(
        asked,
        await get_model(chosen if isinstance(chosen, BaseChatModel) else task["model"]),
        pattern="voting",
        task=task,
        schema=schema,
        samples=[task["index"] for task in tasks],
        config=config,
        meter=meter,
    )
    return replies


async def _reply(
    model: BaseChatModel,
    messages: list[BaseMessage],
    schema: type[BaseModel] | None,
    config: RunnableConfig,
) -> Any:
    try:
        try:
            return plain(await ask(model, messages, schema, config, whole=True))
        except NotImplementedError:  # no structured output: the ballot is read from text
            return plain(await ask(model, messages, None, config, whole=True))
    except ValueError as error:
        return error


def _text_of(reply: Any) -> Any:
    """Give the text of a server that knows no structured output, and so has answered in words."""
    text = reply.llm_output if isinstance(reply, OutputParserException) else None
    return text if text and not text.lstrip().startswith(_DATA) else reply


def _read(spec: VotingSpec, voter: Voter, reply: Any) -> Reading:
    if isinstance(reply, ValueError):
        return Reading(unreadable=f"could not be read: {explain(reply)}")
    is_ranked = spec.is_ranked(voter)
    return read_reply(reply, spec.choices, is_ranked=is_ranked, max_chars=spec.max_chars)
