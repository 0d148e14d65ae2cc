"""Asks one guard, and reads what it found."""

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.aggregators.ballots import match_option
from langgraph_parallel.nodes.cache import remembered
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.guard import Guard, GuardReply, RewriteReply
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import input_text, is_conversation, render
from langgraph_parallel.nodes.run import Task


async def judge(
    guard: Guard,
    value: Any,
    model: BaseChatModel | str | None,
    config: RunnableConfig,
    runtime: Runtime[Any],
    *,
    kept: tuple[Task, Meter] | None = None,
) -> dict[str, Any]:
    """Ask a guard about a text.

    Args:
        guard: The guard.
        value: What it judges: text, a conversation or data.
        model: The model of a prompt.
        config: Callbacks and tags for its calls.
        runtime: LangGraph's runtime, for functions that ask for it.
        kept: Its task and meter, where a cache may keep its model's reply.

    Returns:
        `tripped`, `reason`, and `rewrite` if the guard changed the text.

    Raises:
        TypeError: It gave something else than a finding.
        ValueError: Its model's reply cannot be read.
    """
    config = _unstreamed(config)
    if guard.prompt is None:
        return read_finding(plain(await run(guard.run, value, config, runtime)), guard, value)
    # A conversation is shown as text: as messages the model would go on with it, not judge it.
    shown = input_text(value) if is_conversation(value) else value
    chat = await get_model(model)
    if kept is None:
        return read_finding(await _ask(guard, shown, chat, config), guard, value)
    task, meter = kept
    found = await remembered(
        lambda model: _ask(guard, shown, model, config),
        chat,
        pattern="guardrail",
        task=Task(**{**task, "input": shown}),
        schema=guard.schema,
        config=config,
        meter=meter,
    )
    return read_finding(found, guard, value)


def _unstreamed(config: RunnableConfig) -> RunnableConfig:
    """Leave out the handlers of `astream_events` and `astream_log`: they tell all that is said."""
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        return config
    callbacks = callbacks.copy()
    for handler in [h for h in callbacks.handlers if hasattr(h, "tap_output_aiter")]:
        callbacks.remove_handler(handler)
    return {**config, "callbacks": callbacks}


async def _ask(guard: Guard, value: Any, model: BaseChatModel, config: RunnableConfig) -> Any:
    prompt = guard.prompt or ""
    schema = guard.schema or (RewriteReply if guard.rewrites else GuardReply)
    try:
        return plain(await ask(model, render(prompt, value), schema, config))
    except NotImplementedError:  # no structured output
        if guard.rewrites:
            raise
        prompt += "\n\nAnswer with exactly one of: blocked, allowed."
        reply = await ask(model, render(prompt, value), None, config)
        option, why = match_option(reply, ["blocked", "allowed"])
        if why is not None:
            raise ValueError(f"The reply {why}.") from None
        return {"tripped": option == "blocked", "reason": None}


def read_finding(output: Any, guard: Guard, value: Any) -> dict[str, Any]:
    """Read a guard's output.

    Args:
        output: The output, plain data.
        guard: The guard.
        value: What it judged.

    Raises:
        TypeError: It is `None`, as that of a vote without a decision; or, where `trip_on` does not
            say which output trips, neither a bool nor a dict with `tripped`; or a rewrite is not
            of the kind of what was judged.
    """
    reason = None
    if guard.rewrites and not isinstance(output, bool):
        return _read_rewrite(output, guard, value)
    if isinstance(output, dict) and "tripped" in output:
        reason, output = output.get("reason"), output["tripped"]
        if isinstance(output, bool):
            return {"tripped": output, "reason": reason}
    if output is None or (guard.trip_on is True and not isinstance(output, bool)):
        raise TypeError(
            f"Guard {guard.name!r} gave {output!r:.80}. Give True when it trips and False when it "
            "passes, or {'tripped': bool, 'reason': str}; or say with trip_on= which output trips."
        )
    return {"tripped": output == guard.trip_on, "reason": reason}


def _read_rewrite(output: Any, guard: Guard, value: Any) -> dict[str, Any]:
    tripped, reason, rewrite = False, None, output
    if isinstance(output, dict) and output.keys() & {"tripped", "rewrite"}:
        tripped, reason = output.get("tripped", False), output.get("reason")
        rewrite = output.get("rewrite")
    if rewrite is None or rewrite == value:
        if isinstance(tripped, bool) and output is not None:
            return {"tripped": tripped, "reason": reason}
    elif isinstance(tripped, bool) and _is_like(rewrite, value):
        return {"tripped": tripped, "reason": reason, "rewrite": rewrite}
    raise TypeError(
        f"Guard {guard.name!r} rewrites, and gave a {type(output).__name__} for a "
        f"{type(value).__name__}. Give the {type(value).__name__} as it should be, or a bool, or "
        "{'tripped': bool, 'reason': str, 'rewrite': ...}."
    )


def _is_like(rewrite: Any, value: Any) -> bool:
    """Say whether a rewrite can take the place of a value."""
    if is_conversation(value):
        return is_conversation(rewrite)
    if isinstance(value, str):
        return isinstance(rewrite, str)
    if isinstance(value, Sequence):
        return isinstance(rewrite, Sequence) and not isinstance(rewrite, str)
    return type(rewrite) is type(value)
