"""Says in one line what went wrong in a call, and whether trying again can help.

Providers differ in their classes but agree on HTTP: what counts is the status, the error code and
the kind of the failure. Credentials never pass: whatever looks like one is masked, and where
providers like to quote the key that they refused, nothing of their text is used.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import openai
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelConnectionError,
    ModelTimeoutError,
    OutputParserException,
)
from pydantic import ValidationError

from langgraph_parallel.errors import ParallelPatternError
from langgraph_parallel.nodes.masking import mask

_LONGEST = 300
_OPENAI = {"", "openai", "ChatOpenAI"}
_TOO_LONG = {"context_length_exceeded", "exceed_context_size_error"}
_NO_QUOTA = "insufficient_quota"
# With these a provider reports its own failure inside a stream that began with status 200.
_SERVER_CODES = {"server_error", "internal_error", "overloaded_error", "rate_limit_exceeded"}
_REQUEST_TIMEOUT, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 408, 409, 429, 500
_TIMEOUTS = (openai.APITimeoutError, ModelTimeoutError, TimeoutError, asyncio.TimeoutError)
_CONNECTIONS = (openai.APIConnectionError, ModelConnectionError, ConnectionError)
# Its aiohttp transport makes OpenAI's client report every failed connection as a timeout, so the
# first cause is told by the names of its classes.
_UNREACHABLE = {"ClientConnectorError", "ConnectError", "ConnectionRefusedError", "gaierror"}
_LOST = {
    "ServerDisconnectedError",
    "ClientPayloadError",
    "RemoteProtocolError",
    "ReadError",
    "ConnectionResetError",
    "BrokenPipeError",
}


def is_transient(error: BaseException) -> bool:
    """Say whether the same call may succeed when it is made again.

    Args:
        error: What the call raised.

    Returns:
        True for connections that failed or timed out, for the statuses 408, 409 and 429, and for
        those from 500 on; but not when a quota is used up. False for everything else, also for
        replies that do not fit their schema.
    """
    status, codes = _status(error), _codes(error)
    if _NO_QUOTA in codes:
        return False
    if status is not None:
        return status in {_REQUEST_TIMEOUT, _CONFLICT, _TOO_MANY} or status >= _SERVER_ERROR
    if isinstance(error, openai.APIError) and not _SERVER_CODES.isdisjoint(codes):
        return True
    return _is_connection(error)


def explain(error: BaseException, *, model: str = "") -> str:
    """Say in one line what went wrong in a call and what to do.

    Args:
        error: What the call raised.
        model: Name of the model that was called, as in `openai:gpt-4.1-mini`.

    Returns:
        One line without credentials, and without the prompt or the reply.

    Example:
        >>> explain(KeyError("city"))
        "KeyError: 'city'"
    """
    named = f"the model {mask(model)}" if model else "the model"
    if isinstance(error, ParallelPatternError):
        return _one_line(str(error), longest=None)
    known = _context(error, named) or _misfit(error, model)
    if known:
        return known
    status = _status(error)
    if status is not None:
        return _for_status(error, status, model, named)
    if _is_connection(error):
        return _for_connection(error, model, named)
    text = _one_line(str(error))
    if isinstance(error, openai.APIError):
        return f"The server{_address(error)} broke off: {text}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _context(error: BaseException, named: str) -> str | None:
    if not isinstance(error, ContextOverflowError) and _TOO_LONG.isdisjoint(_codes(error)):
        return None
    body = _body(error)
    text = str(body.get("message") or error)
    size, limit = body.get("n_prompt_tokens"), body.get("n_ctx")
    if size is None and (found := re.search(r"(?:resulted in|requested|has) (\d+)", text)):
        size = found[1]
    if limit is None and (found := re.search(r"context (?:length|window)\D{0,20}(\d+)", text)):
        limit = found[1]
    has = f"{size} tokens" if size else "more tokens than fit"
    holds = f" of {limit} tokens" if limit else ""
    return (
        f"The input has {has} and {named} has a context{holds}. Shorten the input, split it into "
        "sections, or use a model with a larger context."
    )


def _misfit(error: BaseException, model: str) -> str | None:
    if isinstance(error, openai.LengthFinishReasonError):
        return "The reply reached its length limit before it fitted the schema. Raise the limit."
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return "The provider's content filter withheld the reply."
    what = "The reply" if model else "The data"
    for cause in (error, error.__cause__):
        if isinstance(cause, ValidationError):
            first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            more = f" (and {cause.error_count() - 1} more)" if cause.error_count() > 1 else ""
            wrong = _one_line(f"{place}: {first['msg']}" if place else first["msg"])
            return f"{what} did not fit the schema {cause.title}: {wrong}{more}."
    if isinstance(error, OutputParserException) or (
        model and isinstance(error, json.JSONDecodeError)
    ):
        return f"{what} did not fit the schema: it is not the JSON that was asked for."
    return None


def _for_status(error: BaseException, status: int, model: str, named: str) -> str:
    words = [code for code in _codes(error) if re.fullmatch(r"[a-z_.]{3,60}", code)]
    which = ", ".join([f"status {status}", *words[:1]])
    if _NO_QUOTA in words:
        return f"The account has used up its quota ({which}). Check its plan and billing."
    known = {
        401: f"The server refused the API key ({which}). Check {_key(model)}.",
        403: f"The API key may not use {named} ({which}). Check {_key(model)} and its rights.",
        404: f"The server{_address(error)} does not know {named} ({which}). Check the name of the "
        f"model{_and_base_url(model)}.",
        _TOO_MANY: f"The rate limit for {named} is reached ({which}). Lower max_concurrency or the "
        "rates, or try again later.",
    }
    if status in known:
        return known[status]
    verb = "failed" if status >= _SERVER_ERROR else "refused the request"
    text = _one_line(str(_body(error).get("message") or error))
    return f"The server{_address(error)} {verb} ({which}): {text}"


def _for_connection(error: BaseException, model: str, named: str) -> str:
    where = _address(error)
    advice = f"Check the network{_and_base_url(model)}."
    if _provider(model) in {"local", "gguf"}:
        advice = "It may have run out of memory; the next call starts it again."
    kinds = {kind.__name__ for cause in _chain(error) for kind in type(cause).__mro__}
    if "ClientProxyConnectionError" in kinds or "ProxyError" in kinds:
        return (
            f"The proxy to the server{where} cannot be reached. Check HTTPS_PROXY and HTTP_PROXY."
        )
    if "SSLCertVerificationError" in kinds:
        return (
            f"The certificate of the server{where} is not trusted. If it is your own, name the "
            "file of its authority in SSL_CERT_FILE."
        )
    if not kinds.isdisjoint(_UNREACHABLE):
        return f"The server{where} cannot be reached. {advice}"
    if not kinds.isdisjoint(_LOST):
        return f"The server{where} closed the connection before the reply was complete. {advice}"
    if any(isinstance(cause, _TIMEOUTS) for cause in _chain(error)):
        return f"The server{where} gave no answer from {named} in time. {advice}"
    return f"The server{where} cannot be reached. {advice}"


def _provider(model: str) -> str:
    return model.partition(":")[0]


def _key(model: str) -> str:
    return "OPENAI_API_KEY" if _provider(model) in _OPENAI else "the provider's API key"


def _and_base_url(model: str) -> str:
    return ", and OPENAI_BASE_URL if you set it" if _provider(model) in _OPENAI else ""


def _is_connection(error: BaseException) -> bool:
    # Providers other than OpenAI raise the errors of httpx, which need not be installed here.
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("httpx")}
    return isinstance(error, _TIMEOUTS + _CONNECTIONS) or "TransportError" in names


def _status(error: BaseException) -> int | None:
    holders = (error, getattr(error, "response", None))
    found = [getattr(holder, "status_code", None) for holder in holders]
    found.append(_body(error).get("code"))  # all that there is in a stream
    return next((code for code in found if isinstance(code, int) and code >= 400), None)  # noqa: PLR2004


def _body(error: BaseException) -> Mapping[str, Any]:
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error")
        return inner if isinstance(inner, Mapping) else body
    return {}


def _codes(error: BaseException) -> list[str]:
    body = _body(error)
    found = (getattr(error, "code", None), body.get("code"), body.get("type"))
    return [str(code) for code in found if code]


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _address(error: BaseException) -> str:
    for cause in _chain(error):
        try:
            parts = urlsplit(str(cause.request.url))  # type: ignore[attr-defined]
            port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        except (AttributeError, RuntimeError, ValueError):
            continue
        if parts.hostname and port:
            return f" at {parts.hostname}:{port}"
    return ""


def _one_line(text: str, longest: int | None = _LONGEST) -> str:
    line = mask(" ".join(text.strip().split("\n", 1)[0].split()))
    return line if longest is None or len(line) <= longest else line[: longest - 1] + "…"
