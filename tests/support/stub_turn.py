"""The plan of one answer: what to send, and from when."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from stub_types import ChatRequest, Record, Reply, Rule, matches
from stub_wire import Choice, make_choices

FIRST_ERROR = 400


class DropError(Exception):
    """The connection is to be closed without the rest of the answer."""


@dataclass
class Turn:
    """A request with its answer. All choices advance by one token at each step.

    Attributes:
        record: The record of the request.
        reply: The reply as the rule gave it.
        choices: What to send; empty for errors.
        start: When the first token is due, by `time.monotonic()`.
    """

    record: Record
    reply: Reply
    choices: list[Choice]
    start: float

    @property
    def is_error(self) -> bool:
        """Whether the answer is an HTTP error."""
        return self.reply.status >= FIRST_ERROR

    @cached_property
    def steps(self) -> int:
        """The number of tokens of the longest choice."""
        return max((len(choice.deltas) for choice in self.choices), default=0)

    def tokens(self, step: int) -> int:
        """Count the choices that have a token at this step."""
        return sum(step < len(choice.deltas) for choice in self.choices)


def plan(record: Record, rules: Iterable[Rule], latency: float) -> Turn:
    """Find the reply to a request, and set its record's `matched`.

    A request without an answer, and one whose rule fails, get an error 400: clients treat
    it as final, where they might try again after a 500.
    """
    request = record.request
    try:
        reply = _reply(request, rules)
        record.matched = reply is not None
        if reply is None:
            reply = _refusal(f"no rule of the stub server matches this request: {request.text!r}")
        choices = make_choices(reply, request) if reply.status < FIRST_ERROR else []
    except Exception as error:
        choices = []
        reply = _refusal(f"the stub server's rule failed on {request.text!r}: {error!r}")
    return Turn(record, reply, choices, record.started + latency + reply.delay + reply.first_token)


def _reply(request: ChatRequest, rules: Iterable[Rule]) -> Reply | None:
    for rule in rules:
        if matches(rule.when, request):
            return rule.answer(request)
    return None if request.schema is None else Reply()


def _refusal(message: str) -> Reply:
    return Reply(status=FIRST_ERROR, error=message)
