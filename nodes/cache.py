"""Keeps the replies of branches in LangGraph's caches.

LangGraph's own node cache would keep what a node wrote: failures too, and results that belong to
another dispatch. So each branch looks its model's reply up itself.
"""

import asyncio
import hashlib
import json
import warnings
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.load import dumps
from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache, FullKey
from pydantic import BaseModel

from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.run import Task

CACHE = "langgraph_parallel_cache"
"""Where the config of a compiled pattern has its cache, for itself and for what is nested in it."""

_EMBEDDED = ("local", "gguf:")
_Cache = BaseCache[Any]


async def remembered(
    ask: Callable[[BaseChatModel], Awaitable[Any]],
    model: BaseChatModel,
    *,
    pattern: str,
    task: Task,
    schema: type[BaseModel] | None,
    samples: Sequence[int] = (),
    config: RunnableConfig,
    meter: Meter,
) -> Any:
    """Give the reply to a branch's prompt: that which is kept, or a new one.

    Only replies that are plain data are kept, so no failure, and nothing that was cut off. A cache
    that fails is warned of and done without.

    Args:
        ask: Asks the model.
        model: The branch's model.
        pattern: The pattern's name.
        task: The branch.
        schema: The structured output that is asked for.
        samples: Which of several equal replies these are; each is kept by itself.
        config: The branch's config, which has the cache, if there is one.
        meter: Is told of a reply that was kept.
    """
    cache: _Cache | None = config.get("configurable", {}).get(CACHE)
    if cache is None:
        return await ask(model)
    facts = {
        "library": version("langgraph-parallel"),
        "branch": task["name"],
        "model": _identity(model, task["model"]),
        "prompt": task["prompt"],
        "schema": schema and [schema.__name__, schema.model_json_schema()],
        "input": task["input"],
        "samples": list(samples),
    }
    text = json.dumps(facts, sort_keys=True, default=repr)
    key: FullKey = (("langgraph_parallel", pattern), hashlib.sha256(text.encode()).hexdigest())
    found = await _try(cache.get, [key])
    if found:
        meter.is_cached = True
        return found[key]["reply"]
    reply = await ask(model)
    if _is_plain(reply):
        await _try(cache.set, {key: ({"reply": reply}, None)})
    return reply


def _identity(model: BaseChatModel, name: str | None) -> str:
    """Tell a model from all others: its class and all of its parameters, without secrets."""
    if name and name.startswith(_EMBEDDED):  # at another address in each process
        return name
    client = getattr(
        model, "root_async_client", None
    )  # OpenAI's may have its address from elsewhere
    return f"{dumps(model)} {getattr(client, 'base_url', '')}"


async def _try(function: Callable[[Any], Any], argument: Any) -> Any:
    # The async methods of some caches block the event loop.
    try:
        return await asyncio.to_thread(function, argument)
    except Exception as error:
        warnings.warn(
            f"The cache failed, and was done without: {type(error).__name__}: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


def _is_plain(reply: Any) -> bool:
    try:
        json.dumps(reply)
    except TypeError:
        return False
    return True
