"""Says in one line what went wrong in a call, and whether trying again can help.

Providers differ in their classes but agree on HTTP: what counts is the status, the error code and
the kind of the failure. Credentials never pass: whatever looks like one is masked, and where
providers like to quote the key they refused, nothing of their text is used.
"""

import asyncio
import json
import os
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

_LONGEST = 300
_MASK = "***"
_SECRETS = re.compile(
    r"""
    (?P<keep>
        ://(?=[^/\s@]+@)                                  # user and password of a URL
      | \b(?:bearer|basic)\s+
      | [\w-]*(?:api[_-]?key|secret|password|token)["']?\s*[=:]\s*["']?(?:bearer\s+)?
      | [?&]key=
    )
    (?P<value>[^\s"'@,;&)}\]]{4,})
    | \b(?:sk|pk|rk|gsk|xai|hf|ghp|lsv2|pplx|r8)[-_][\w*.-]{6,}
    | \bAIza[\w*-]{10,}
    | \beyJ[\w-]{8,}\.[\w.-]+                             # JSON web token
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONTEXT_CODES = {"context_length_exceeded", "exceed_context_size_error"}
_TIMEOUTS = (openai.APITimeoutError, ModelTimeoutError, TimeoutError, asyncio.TimeoutError)
_CONNECTIONS = (openai.APIConnectionError, ModelConnectionError, ConnectionError)
# Codes with which a provider reports its own failure inside a stream that began with status 200.
_SERVER_CODES = {"server_error", "internal_error", "overloaded_error", "rate_limit_exceeded"}
_REQUEST_TIMEOUT, _CONFLICT, _TOO_MANY, _SERVER_ERROR = 408, 409, 429, 500


def mask(text: str) -> str:
    """Replace what looks like a credential by asterisks.

    Args:
        text: Any text.

    Returns:
        The text without API keys, bearer tokens, passwords in URLs, and without the values of
        environment variables whose names end in `_API_KEY`.

    Example:
        >>> mask("refused: Authorization: Bearer abcdef123456")
        'refused: Authorization: Bearer ***'
    """
    for name, value in os.environ.items():
        if name.endswith("_API_KEY") and len(value) > len(_MASK) * 2:
            text = text.replace(value, _MASK)
    return _SECRETS.sub(lambda found: (found["keep"] or "") + _MASK, text)


def is_transient(error: BaseException) -> bool:
    """Say whether the same call may succeed when it is made again.

    Args:
        error: What the call raised.

    Returns:
        True for connections that failed or timed out, for the statuses 408, 409 and 429, and for
        those from 500 on; but not when a quota is used up. False for everything else, also for
        replies that do not fit their schema.
    """
    status, code = _status(error), _code(error)
    if code == "insufficient_quota":
        return False
    if status is not None:
        return status in {_REQUEST_TIMEOUT, _CONFLICT, _TOO_MANY} or status >= _SERVER_ERROR
    if isinstance(error, openai.APIError) and code in _SERVER_CODES:
        return True
    return isinstance(error, _TIMEOUTS + _CONNECTIONS) or _is_transport_error(error)


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
    if (text := _context(error, named)) or (text := _reply(error, named)):
        return text
    status = _status(error)
    if status is not None:
        return _for_status(error, status, named)
    if isinstance(error, _TIMEOUTS + _CONNECTIONS) or _is_transport_error(error):
        return _for_connection(error, model, named)
    if isinstance(error, openai.APIError):
        return f"The server broke off with an error: {_one_line(str(error))}"
    text = _one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _context(error: BaseException, named: str) -> str | None:
    body = _body(error)
    too_long = isinstance(error, ContextOverflowError) or not _CONTEXT_CODES.isdisjoint(
        {_code(error), str(body.get("type"))}
    )
    if not too_long:
        return None
    size, limit = body.get("n_prompt_tokens"), body.get("n_ctx")
    if size is None:
        text = str(body.get("message") or error)
        found = re.search(r"maximum context length is (\d+)", text)
        limit = found[1] if found else None
        found = re.search(r"(?:resulted in|requested|has) (\d+)(?: input)? tokens", text)
        size = found[1] if found else None
    has = f"{size} tokens" if size else "more tokens than fit"
    holds = f" of {limit} tokens" if limit else ""
    return (
        f"The input has {has} and {named} has a context{holds}. Shorten the input, split it into "
        "sections, or use a model with a larger context."
    )


def _reply(error: BaseException, named: str) -> str | None:
    if isinstance(error, openai.LengthFinishReasonError):
        return f"The reply of {named} reached its length limit before it fitted the schema."
    if isinstance(error, openai.ContentFilterFinishReasonError):
        return f"The content filter of the provider withheld the reply of {named}."
    for cause in _chain(error):
        if isinstance(cause, ValidationError):
            first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            what = f"{place}: {first['msg']}" if place else first["msg"]
            more = f" (and {cause.error_count() - 1} more)" if cause.error_count() > 1 else ""
            return f"The reply did not fit the schema {cause.title}: {_one_line(what)}{more}."
    if isinstance(error, (OutputParserException, json.JSONDecodeError)):
        return (
            f"The reply of {named} did not fit the schema: it is not the JSON that was asked for."
        )
    return None


def _for_status(error: BaseException, status: int, named: str) -> str:
    code = _code(error)
    which = f"status {status}"
    if code and re.fullmatch(r"[a-z_.]{3,60}", code):
        which += f", {code}"
    if code == "insufficient_quota":
        return f"The account has used up its quota ({which}). Check its plan and billing."
    known = {
        401: f"The server refused the API key ({which}). Check OPENAI_API_KEY.",
        403: f"The API key may not use {named} ({which}). Check OPENAI_API_KEY and its rights.",
        404: f"The server{_address(error)} does not know {named} ({which}). Check the name of the "
        "model, and OPENAI_BASE_URL if you set it.",
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
    embedded = model == "local" or model.startswith("gguf:")
    advice = (
        "Its server may have run out of memory; the next call starts it again."
        if embedded
        else "Check the network, and OPENAI_BASE_URL if you set it."
    )
    if any(type(cause).__name__ == "ServerDisconnectedError" for cause in _chain(error)):
        return f"The server{where} closed the connection before it answered. {advice}"
    if any(isinstance(cause, _TIMEOUTS) for cause in _chain(error)):
        return f"The server{where} gave no answer from {named} in time. {advice}"
    return f"The server{where} cannot be reached. {advice}"


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int):
            return status
    return None


def _body(error: BaseException) -> Mapping[str, Any]:
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):
        inner = body.get("error")
        return inner if isinstance(inner, Mapping) else body
    return {}


def _code(error: BaseException) -> str | None:
    code = getattr(error, "code", None) or _body(error).get("code") or _body(error).get("type")
    return str(code) if code else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_transport_error(error: BaseException) -> bool:
    # Providers other than OpenAI raise the errors of httpx, which need not be installed here.
    names = {kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("httpx")}
    return "TransportError" in names


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
