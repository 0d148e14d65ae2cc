"""The scene of the guardrail's rows: what is asked, what the stub server answers, and when."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr
from stub_server import ChatRequest, Record, Reply, StubServer, ToolCall

JUDGE, ANSWER, QUESTION = "Judge it.", "Answer it.", "x"
REFUSAL = "No."
FIRST_TOKEN, PER_TOKEN, TOKENS = 0.05, 0.02, 50
VERDICT_AT = 0.3
TOOL_AT = 0.1
GUARD_TIMEOUT = 1.0
"""Deadline of a guard, where a library has such an option."""

TEXT = " ".join(f"w{i}" for i in range(TOKENS))


class Verdict(BaseModel):
    """What a guard's model replies."""

    tripped: bool
    reason: str = ""


@dataclass
class Case:
    """What a contender is given.

    Attributes:
        url: The base URL of the stub server.
        has_tool: Whether the answer is that of an agent with the tool `pay`.
        paid: What the tool was called with.
    """

    url: str
    has_tool: bool = False
    paid: list[str] = field(default_factory=list[str])

    def model(self) -> ChatOpenAI:
        """Make the chat model that all contenders use which take one of LangChain's."""
        return ChatOpenAI(
            model="stub-model",
            base_url=self.url,
            api_key=SecretStr("stub"),
            # Before Python 3.12 its wait can swallow the cancellation that should end a stream.
            stream_chunk_timeout=None,
        )

    async def pay(self, amount: str) -> str:
        """Pay an amount."""
        self.paid.append(amount)
        return "paid"


Contender = Callable[[Case], AsyncIterator[str]]
"""Gives what the caller sees, piece by piece, and raises what the caller gets instead."""


def set_up(server: StubServer, judge: Reply, *, has_tool: bool) -> None:
    """Give the stub server its answers."""
    server.on(JUDGE, judge)
    if has_tool:
        server.on(_asks_for_tool, Reply(tool_calls=[ToolCall("pay", {"amount": "5"})], delay=0.1))
    server.on(ANSWER, Reply(TEXT, first_token=FIRST_TOKEN, per_token=PER_TOKEN))


def verdict(*, trips: bool) -> Reply:
    """Make the reply of the guard's model."""
    return Reply({"tripped": trips, "reason": "r"}, delay=VERDICT_AT)


def find(server: StubServer, text: str) -> list[Record]:
    """Give the records of the requests that have a text."""
    return [record for record in server.requests if text in record.request.text]


def _asks_for_tool(request: ChatRequest) -> bool:
    messages: list[dict[str, Any]] = request.messages
    return ANSWER in request.text and messages[-1]["role"] == "user"
