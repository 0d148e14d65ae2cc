"""What tracers are told: an answer's own calls in their place, and the end of cancelled calls."""

import asyncio
from collections.abc import Sequence

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    Callbacks,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.log_stream import LogStreamCallbackHandler

from langgraph_parallel.nodes.meter import Meter


def tracers_only(callbacks: Callbacks, meter: Meter) -> Callbacks:
    """Keep the tracers, and the meters of what is around; for calls that no stream may show.

    Args:
        callbacks: A node's callbacks.
        meter: Counts the calls.
    """
    handlers = [*filter(_is_silent, _handlers(callbacks)), meter]
    if not isinstance(callbacks, BaseCallbackManager):
        return handlers
    return AsyncCallbackManager(
        handlers, inheritable_handlers=handlers, parent_run_id=callbacks.parent_run_id
    )


def without_tracers(config: RunnableConfig) -> RunnableConfig:
    """Leave the tracers out: for what passes on a reply, whose call they have seen."""
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        return {**config, "callbacks": [h for h in callbacks or [] if not _is_silent(h)]}
    callbacks = callbacks.copy()
    for handler in filter(_is_silent, _handlers(callbacks)):
        callbacks.remove_handler(handler)
    return {**config, "callbacks": callbacks}


async def end_cancelled_calls(meter: Meter, callbacks: Callbacks) -> None:
    """Tell that the calls have ended which were cancelled: LangChain tells it of streams only.

    Args:
        meter: What counted the calls.
        callbacks: The callbacks that they were made with.
    """
    handlers = _handlers(callbacks)
    for run_id in meter.cancelled_calls():
        run = AsyncCallbackManagerForLLMRun(
            run_id=run_id, handlers=handlers, inheritable_handlers=[]
        )
        await run.on_llm_error(asyncio.CancelledError("The call was cancelled."))


def _handlers(callbacks: Callbacks) -> list[BaseCallbackHandler]:
    if isinstance(callbacks, BaseCallbackManager):
        return list(callbacks.handlers)
    found: Sequence[BaseCallbackHandler] = callbacks or []
    return list(found)


def _is_silent(handler: BaseCallbackHandler) -> bool:
    """Say whether a handler only records; LangChain has a tracer that is a stream, too."""
    return isinstance(handler, (BaseTracer, Meter)) and not isinstance(
        handler, LogStreamCallbackHandler
    )
