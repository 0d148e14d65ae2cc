"""Runs one branch inside its node, from the `Send` payload to its result."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langgraph.constants import TAG_NOSTREAM
from langgraph.runtime import Runtime
from typing_extensions import NotRequired, TypedDict

from langgraph_parallel.nodes.attempt import Outcome, attempt
from langgraph_parallel.nodes.branch import Branch, BranchResult
from langgraph_parallel.nodes.dispatch import Dispatch, Live
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.limits import Deadline, Limiter
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import ModelLike, found_model, model_id
from langgraph_parallel.nodes.places import current_place
from langgraph_parallel.nodes.tracing import end_cancelled_calls


class Task(TypedDict):
    """One branch as it is in a `Send`: plain data that says all that its result depends on."""

    index: int
    name: str
    prompt: str | None
    model: str | None
    input: Any


class Parcel(TypedDict):
    """The payload of a `Send`: the branches that the node runs, usually one."""

    dispatch: Dispatch
    tasks: list[Task]
    input: NotRequired[Any]
    """The graph's input, where branches have parts that are no plain data and so must be made
    anew from it if the run goes on in another process."""


async def default_for(branches: Iterable[Branch], model: ModelLike) -> ModelLike:
    """Give the model of the branches that have a prompt and no model of their own.

    Args:
        branches: All branches of a dispatch.
        model: The pattern's model; `None` is looked up in the environment, if it is needed.

    Raises:
        ModelUnavailableError: A branch needs it, and there is none.
    """
    return await found_model(model, any(b.prompt is not None and b.model is None for b in branches))


def make_task(index: int, branch: Branch, default: ModelLike, value: Any) -> Task:
    """Make the task of a branch.

    Args:
        index: Number of the branch.
        branch: The branch, with the prompt that is sent.
        default: The model of branches without one.
        value: The branch's input.
    """
    model = branch.model if branch.model is not None else default
    return Task(
        index=index,
        name=branch.name,
        prompt=branch.prompt,
        model=None if branch.prompt is None else model_id(model),
        input=value,
    )


async def run_branch(
    task: Task,
    work: Callable[[RunnableConfig], Awaitable[Any]],
    *,
    dispatch: Dispatch,
    live: Live | None,
    config: RunnableConfig,
    runtime: Runtime[Any],
    limiter: Limiter,
    retries: int,
    timeout: float | None,
    settled: asyncio.Event | None = None,
    after: asyncio.Event | None = None,
    meter: Meter | None = None,
) -> BranchResult:
    """Run the work of a branch; whatever comes of it is in the result.

    Args:
        task: Which branch.
        work: The work; it gets the config for its calls.
        dispatch: The dispatch that the branch belongs to.
        live: Its live side, if the dispatch was opened in this process.
        config: The node's config.
        runtime: The node's runtime; progress goes to its stream writer.
        limiter: Bounds the calls in flight.
        retries: Further tries after an error with which a retry can help.
        timeout: Seconds that the work may take.
        settled: Ends the work early.
        after: What the work waits for before it takes a place.
        meter: Counts the calls, where the work does not make them with the config it gets.
    """
    meter = meter or Meter()
    calls = child_config(config, meter)

    async def tell_and_work() -> Any:
        meter.first_token = None  # that of a try that failed says nothing
        runtime.stream_writer(_event("branch_started", task, dispatch))
        return await work(calls)

    with live.working() if live else nullcontext():
        try:
            outcome = await attempt(
                tell_and_work,
                place=limiter.place(live.run_limit if live else None, after),
                retries=retries,
                timeout=timeout,
                deadline=live.deadline(limiter.deadline)
                if live
                else Deadline.after(limiter.deadline),
                settled=settled,
            )
        finally:
            await end_cancelled_calls(meter, calls.get("callbacks"))
    if around := current_place():
        await around.regain()
    result = branch_result(task, dispatch, outcome, meter)
    runtime.stream_writer(
        {
            **_event("branch_finished", task, dispatch),
            "status": result["status"],
            "seconds": result["seconds"],
        }
    )
    return result


def child_config(config: RunnableConfig, meter: Meter, *, stream: bool = False) -> RunnableConfig:
    """Make the config for the calls of a branch.

    Args:
        config: The node's config.
        meter: Counts the calls.
        stream: Whether the tokens belong to the answer; others stay out of `messages` streams.
    """
    callbacks = config.get("callbacks")
    if isinstance(callbacks, BaseCallbackManager):
        callbacks = callbacks.copy()
        if not stream:
            for handler in [h for h in callbacks.handlers if _is_langgraphs(h)]:
                callbacks.remove_handler(handler)
        callbacks.add_handler(meter, inherit=True)
    else:
        callbacks = [*(callbacks or []), meter]
    tags = list(config.get("tags") or []) + ([] if stream else [TAG_NOSTREAM])
    return {**config, "callbacks": callbacks, "tags": tags}


def _is_langgraphs(handler: BaseCallbackHandler) -> bool:
    """Say whether a handler feeds a stream of LangGraph's; it would make each call a stream."""
    return type(handler).__module__.startswith("langgraph.pregel")


def _event(event: str, task: Task, dispatch: Dispatch) -> dict[str, Any]:
    return {
        "event": event,
        "branch": task["name"],
        "index": task["index"],
        "dispatch": dispatch["id"],
    }


def branch_result(task: Task, dispatch: Dispatch, outcome: Outcome, meter: Meter) -> BranchResult:
    """Make the result of a branch.

    Args:
        task: Which branch.
        dispatch: The dispatch that it belongs to.
        outcome: How its work ended.
        meter: What counted its calls.
    """
    model = ", ".join(meter.models) or task["model"]
    error = outcome.error
    began = outcome.started
    result = BranchResult(
        index=task["index"],
        name=task["name"],
        status=outcome.status,
        output=outcome.output,
        error=explain(error, model=model or "") if isinstance(error, BaseException) else error,
        model=model,
        attempts=outcome.attempts,
        started=round(max((began or time.time()) - dispatch["started"], 0.0), 4),
        seconds=round(max(outcome.ended - began, 0.0), 4) if began else 0.0,
        usage=meter.usage(),
        dispatch=dispatch["id"],
    )
    if meter.first_token is not None:
        result["first_token"] = round(max(meter.first_token - dispatch["started"], 0.0), 4)
    if meter.is_cached:
        result["cached"] = True
    return result
