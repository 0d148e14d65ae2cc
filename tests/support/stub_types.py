"""What the stub server is asked, what it answers, and what it records."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from typing_extensions import Self

Content: TypeAlias = str | Mapping[str, Any]
"""An answer: text that is sent as it is, or an object that is sent as JSON text."""

Status: TypeAlias = Literal["running", "done", "client_closed", "error"]


@dataclass(frozen=True)
class ChatRequest:
    """A chat-completions request, as rules see it.

    Attributes:
        body: The whole JSON body.
        seen: How many requests with exactly the same messages came before. For sampling only:
            it is the one way to tell votes of one prompt apart, and among identical requests
            in flight together it follows the order of arrival.
        drawn: How many choices those earlier requests asked for, all together.
    """

    body: Mapping[str, Any]
    seen: int = 0
    drawn: int = 0

    @classmethod
    def parse(cls, body: object) -> Self:
        """Check the parts of a body that everything else relies on.

        Raises:
            ValueError: The body is no chat-completions request.
        """
        if isinstance(body, dict):
            messages = body.get("messages")
            if isinstance(messages, list) and all(isinstance(one, dict) for one in messages):
                return cls(body)
        raise ValueError("the body must be a JSON object with a list `messages` of objects")

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body["messages"])

    @cached_property
    def text(self) -> str:
        """The text of all messages, one message after another on its own line."""
        return "\n".join(_text_of(message.get("content")) for message in self.messages)

    @property
    def key(self) -> str:
        """Equal for requests with exactly the same messages."""
        return json.dumps(self.messages, sort_keys=True)

    @property
    def n(self) -> int:
        return int(self.body.get("n") or 1)

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def include_usage(self) -> bool:
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that the answer must follow."""
        wanted = self.body.get("response_format") or {}
        if wanted.get("type") != "json_schema":
            return None
        return dict(wanted["json_schema"].get("schema") or {})

    @property
    def tools(self) -> list[dict[str, Any]]:
        return list(self.body.get("tools") or ())

    @property
    def seed(self) -> int | None:
        return self.body.get("seed")

    @property
    def temperature(self) -> float | None:
        return self.body.get("temperature")


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool; `arguments` that are a string are sent as they are."""

    name: str
    arguments: Content = "{}"
    id: str = "call_stub"


@dataclass(frozen=True)
class Reply:
    """An answer, its timing and its accidents.

    The server waits `delay` (after the model's latency), then `first_token`, and sends token
    `i` at `i * per_token` after that. Ending takes one more `per_token`, as a model's end token
    does, so `k` tokens take `first_token + k * per_token`. All choices advance together. The
    due times are absolute: a late token does not delay the following ones. Only time spent at
    a closed gate shifts them.

    Attributes:
        text: The content. None makes a minimal instance of the schema if the request has one.
        samples: Contents dealt out in turn to the choices of all requests with the same
            messages, instead of `text`: five votes get the first five, whether they came
            as one request with `n=5` or as five requests.
        choices: How many choices to send at most, instead of as many as asked for.
        tool_calls: Calls of tools, in every choice.
        finish_reason: Instead of "stop" or "tool_calls".
        delay: Seconds before anything, errors and drops too.
        first_token: Further seconds before the first token.
        per_token: Seconds for each token.
        gate: Name of a gate that must be open to go on; see `StubServer.open`.
        gate_after: The number of tokens (per choice) sent before the gate; at most all.
        drop: Close the connection without an answer.
        drop_after: The number of tokens (per choice) generated before the drop; at most all.
        status: The HTTP status. From 400 on the reply is an error in OpenAI's shape.
        error: Message of the error.
        code: Code of the error.
        headers: Further HTTP headers.
    """

    text: Content | None = None
    _: KW_ONLY
    samples: Sequence[Content] = ()
    choices: int | None = None
    tool_calls: Sequence[ToolCall] = ()
    finish_reason: str | None = None
    delay: float = 0.0
    first_token: float = 0.0
    per_token: float = 0.0
    gate: str | None = None
    gate_after: int = 0
    drop: bool = False
    drop_after: int = 0
    status: int = 200
    error: str = ""
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Answer: TypeAlias = Content | Reply
When: TypeAlias = str | Callable[[ChatRequest], bool]
Answers: TypeAlias = Answer | Callable[[ChatRequest], Answer]


def matches(when: When, request: ChatRequest) -> bool:
    """Tell if a request contains the text `when`, or fulfils the condition `when`."""
    return when in request.text if isinstance(when, str) else when(request)


@dataclass(frozen=True)
class Rule:
    """Gives `reply` to requests for which `when` holds.

    Both may be functions of the request. They run in the server's event loop, so they must
    not block. A string `when` is looked for, case-sensitively, in the messages' joined text.
    """

    when: When
    reply: Answers

    def answer(self, request: ChatRequest) -> Reply:
        """Return the reply to a request that matches."""
        reply = self.reply(request) if callable(self.reply) else self.reply
        return reply if isinstance(reply, Reply) else Reply(reply)


@dataclass(eq=False)
class Record:
    """The life of one request. Times are `time.monotonic()`; the object is updated in place.

    Attributes:
        request: What was asked.
        started: When the request had been read.
        first_token: When the first token was generated.
        ended: When the status stopped being "running".
        closed_at: When the server noticed that the client had gone away.
        generated: Tokens generated so far, over all choices.
        status: "done" is set just before the last byte is sent: whoever has read the whole
            answer finds it. Errors, drops and the server's own stop are "error".
        gate: The closed gate that the reply waits at, if it does.
        matched: False if no rule, default or schema gave an answer.
    """

    request: ChatRequest
    started: float
    first_token: float | None = None
    ended: float | None = None
    closed_at: float | None = None
    generated: int = 0
    status: Status = "running"
    gate: str | None = None
    matched: bool = True


def _text_of(content: object) -> str:
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
