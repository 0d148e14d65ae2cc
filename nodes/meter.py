"""Counts what a branch consumes, however deep in it the model calls are made."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage, MessageLikeRepresentation
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, LLMResult

from langgraph_parallel.nodes.branch import Usage
from langgraph_parallel.nodes.prices import price_of

PASSED_ON = "langgraph_parallel:passed_on"
"""Tag of a chat model that passes on what another one has written and was counted for."""


@dataclass
class _Call:
    """A model call that has not ended."""

    provider: str
    model: str
    input_tokens: int
    is_awaited: bool
    """Whether it ends with its task; one in a thread of the user's goes on."""
    streamed: int = 0


class Meter(BaseCallbackHandler):
    """A callback handler that adds up calls and tokens.

    Calls that are cut off are counted with estimates, the input by its length and the output by
    the pieces that were streamed, and make the usage partial.
    """

    run_inline = True

    def __init__(self) -> None:
        self.models: list[str] = []
        self.is_cached = False
        """Whether the reply came from a cache."""
        self.first_token: float | None = None
        """Time of day when the first piece of a streamed reply came."""
        self._ended: Usage = no_usage()
        self._open: dict[UUID, _Call] = {}

    def usage(self) -> Usage:
        """Give the usage so far, with estimates for calls that are still open."""
        usage = self._ended
        for call in list(self._open.values()):
            usage = add_usage(usage, _estimate(call))
        return usage

    def cancelled_calls(self) -> list[UUID]:
        """Give the run ids of the calls whose tasks have ended without them."""
        return [run_id for run_id, call in self._open.items() if call.is_awaited]

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a call."""
        if PASSED_ON in (tags or []):
            return
        known = metadata or {}
        model = str(known.get("ls_model_name") or "")
        if model and model not in self.models:
            self.models.append(model)
        self._open[run_id] = _Call(
            str(known.get("ls_provider") or ""),
            model,
            count_tokens_approximately(messages[0] if messages else []),
            _is_in_task(),
        )

    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open a call of a model that completes text; its usage and price are not known."""
        texts: list[MessageLikeRepresentation] = list(prompts)
        self._open[run_id] = _Call("", "", count_tokens_approximately(texts), _is_in_task())

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a streamed piece."""
        if call := self._open.get(run_id):
            call.streamed += bool(token)
            if token:
                self.note_token()

    def note_token(self) -> None:
        """Keep the moment of the first piece."""
        if self.first_token is None:
            self.first_token = time.time()

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Close a call with the usage that the provider states."""
        call = self._open.pop(run_id, None)
        if call is None:
            return
        usage = Usage(calls=1, input_tokens=0, output_tokens=0, partial=False)
        for generation in response.generations[0] if response.generations else []:
            message = generation.message if isinstance(generation, ChatGeneration) else None
            if isinstance(message, AIMessage) and message.usage_metadata:
                usage["input_tokens"] = message.usage_metadata["input_tokens"]
                usage["output_tokens"] = message.usage_metadata["output_tokens"]
                usage = _priced(usage, call, message.usage_metadata)
                break  # each of several choices states the usage of the whole request
        self._ended = add_usage(self._ended, usage)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close a call that failed or was cut off."""
        call = self._open.pop(run_id, None)
        if call is None:
            return
        if not isinstance(error, asyncio.CancelledError) and not call.streamed:
            call.input_tokens = 0  # the provider refused it, or it never arrived
        self._ended = add_usage(self._ended, _estimate(call))


def _is_in_task() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def no_usage() -> Usage:
    """Give a usage of nothing."""
    return Usage(calls=0, input_tokens=0, output_tokens=0, partial=False)


def add_usage(one: Usage, other: Usage) -> Usage:
    """Add two usages; the sum is partial if either is.

    Example:
        >>> add_usage(no_usage(), Usage(calls=1, input_tokens=7, output_tokens=2, partial=True))
        {'calls': 1, 'input_tokens': 7, 'output_tokens': 2, 'partial': True}
    """
    total = Usage(
        calls=one["calls"] + other["calls"],
        input_tokens=one["input_tokens"] + other["input_tokens"],
        output_tokens=one["output_tokens"] + other["output_tokens"],
        partial=one["partial"] or other["partial"],
    )
    costs = [usage.get("cost") for usage in (one, other) if usage["calls"]]
    known = [cost for cost in costs if cost is not None]
    if known and len(known) == len(costs):
        total["cost"] = sum(known)
    return total


def _priced(usage: Usage, call: _Call, stated: Mapping[str, Any]) -> Usage:
    """Add what a call has cost, if its price is known; LangChain's own cache says it was free."""
    details = stated.get("input_token_details") or {}
    cost = price_of(
        call.provider,
        call.model,
        usage["input_tokens"],
        usage["output_tokens"],
        cache_read=details.get("cache_read") or 0,
        cache_write=details.get("cache_creation") or 0,
    )
    if stated.get("total_cost") == 0:
        cost = 0.0
    if cost is not None:
        usage["cost"] = cost
    return usage


def _estimate(call: _Call) -> Usage:
    usage = Usage(
        calls=1, input_tokens=call.input_tokens, output_tokens=call.streamed, partial=True
    )
    return _priced(usage, call, {})
