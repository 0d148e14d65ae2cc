"""Bodies of OpenAI's chat-completions API."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from stub_schema import minimal_instance
from stub_types import ChatRequest, Content, Reply, ToolCall

Json: TypeAlias = dict[str, Any]

DONE = b"data: [DONE]\n\n"
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Choice:
    """One answer, whole and in pieces.

    Attributes:
        message: The whole assistant message.
        deltas: The same message as streamed tokens.
        finish_reason: Why the message ends.
    """

    message: Json
    deltas: list[Json]
    finish_reason: str


def pieces(text: str) -> list[str]:
    """Split a text into word-like tokens that concatenate to exactly the text."""
    return re.findall(r"\s*\S+|\s+\Z", text)


def make_choices(reply: Reply, request: ChatRequest) -> list[Choice]:
    """Make all the choices that a request asks for."""
    contents = reply.samples or (reply.text,)
    return [
        _choice(contents[(request.drawn + index) % len(contents)], reply, request)
        for index in range(min(request.n, reply.choices or request.n))
    ]


def usage(request: ChatRequest, choices: Sequence[Choice]) -> Json:
    """Count the words of the messages and the tokens of the answers."""
    prompt = len(request.text.split())
    completion = sum(len(choice.deltas) for choice in choices)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def completion(identifier: str, request: ChatRequest, choices: Sequence[Choice]) -> Json:
    """Return the body of a plain answer."""
    return {
        **_head("chat.completion", identifier, request),
        "choices": [
            {
                "index": index,
                "message": choice.message,
                "logprobs": None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(choices)
        ],
        "usage": usage(request, choices),
    }


class ChunkWriter:
    """Makes the server-sent events of one streamed answer."""

    def __init__(self, identifier: str, request: ChatRequest, choices: Sequence[Choice]) -> None:
        self._request = request
        self._choices = choices
        self._head = _head("chat.completion.chunk", identifier, request)

    def opening(self) -> bytes:
        """Return the events that name the role, without content."""
        role = {"role": "assistant", "content": ""}
        return b"".join(self._event(index, role) for index in range(len(self._choices)))

    def step(self, step: int) -> bytes:
        """Return the events with one token of every choice that is so long."""
        return b"".join(
            self._event(index, choice.deltas[step])
            for index, choice in enumerate(self._choices)
            if step < len(choice.deltas)
        )

    def ending(self) -> bytes:
        """Return everything after the last token."""
        events = [
            self._event(index, {}, choice.finish_reason)
            for index, choice in enumerate(self._choices)
        ]
        if self._request.include_usage:
            numbers = usage(self._request, self._choices)
            events.append(_sse({**self._head, "choices": [], "usage": numbers}))
        return b"".join([*events, DONE])

    def _event(self, index: int, delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": finish_reason,
        }
        chunk = {**self._head, "choices": [choice]}
        return _sse({**chunk, "usage": None} if self._request.include_usage else chunk)


def error_body(reply: Reply) -> Json:
    """Return the body of an error."""
    if reply.status == _TOO_MANY_REQUESTS:
        kind = "rate_limit_error"
    else:
        kind = "server_error" if reply.status >= _SERVER_ERROR else "invalid_request_error"
    message = reply.error or f"The stub server answers with status {reply.status}."
    return {"error": {"message": message, "type": kind, "param": None, "code": reply.code}}


def model_list(models: Sequence[str]) -> Json:
    """Return the body of the list of models."""
    return {
        "object": "list",
        "data": [
            {"id": model, "object": "model", "created": 0, "owned_by": "stub"} for model in models
        ],
    }


def _head(kind: str, identifier: str, request: ChatRequest) -> Json:
    return {
        "id": identifier,
        "object": kind,
        "created": int(time.time()),
        "model": request.model,
        "system_fingerprint": "stub",
    }


def _sse(data: Json) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _choice(content: Content | None, reply: Reply, request: ChatRequest) -> Choice:
    if content is None and request.schema is not None and not reply.tool_calls:
        content = _text(minimal_instance(request.schema))
    text = None if content is None else _text(content)
    deltas: list[Json] = [{"content": piece} for piece in pieces(text or "")]
    message: Json = {"role": "assistant", "content": text, "refusal": None}
    if reply.tool_calls:
        message["tool_calls"] = [_call(call, _text(call.arguments)) for call in reply.tool_calls]
        for index, call in enumerate(reply.tool_calls):
            deltas += _call_deltas(index, call)
    elif text is None:
        message["content"] = ""
    natural = "tool_calls" if reply.tool_calls else "stop"
    return Choice(message, deltas, reply.finish_reason or natural)


def _text(content: Content) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _call(call: ToolCall, arguments: str) -> Json:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _call_deltas(index: int, call: ToolCall) -> list[Json]:
    first, *rest = pieces(_text(call.arguments)) or [""]
    calls: list[Mapping[str, Any]] = [_call(call, first)]
    calls += [{"function": {"arguments": piece}} for piece in rest]
    return [{"tool_calls": [{"index": index, **one}]} for one in calls]
