"""Guards, and the options of a guardrail graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

from langgraph_parallel.aggregators.types import Rule
from langgraph_parallel.aggregators.verdict import OnFailure, VerdictPolicy, verdict_rule
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch, check_retries
from langgraph_parallel.nodes.models import ModelLike

RESPOND = "respond"
DEFAULT_DEADLINE = 10.0
REFUSAL = "I can't help with that."

Mode = Literal["parallel", "blocking"]
"""Whether the answer is written beside the guards, or only after they have passed the input."""


class GuardReply(BaseModel):
    """What a guard's model replies."""

    reason: str = Field(description="One short sentence: what the decision rests on.")
    tripped: bool = Field(description="True if the text must be blocked, false if it may pass.")


@dataclass(frozen=True, kw_only=True)
class Guard(Branch):
    """A check of the input; it trips when the answer must not be given.

    A `schema` of your own has a field `tripped` and may have `reason`. A `run` gives `True` when
    it trips, or a dict with these keys.

    Example:
        >>> Guard("secrets", run=lambda text: "password" in text).timeout
        10.0
    """

    timeout: float | None = DEFAULT_DEADLINE
    """The deadline: seconds until the guard counts as failed."""
    trip_on: Any = True
    """The output of the `run` that is a trip, such as the label `"unsafe"` of a vote."""


@dataclass(frozen=True)
class GuardrailSpec:
    """The options of a guardrail graph; `create_guardrail` says what they mean."""

    respond: Any
    guards: Sequence[Guard]
    _: KW_ONLY
    verdict: str | Rule = "any"
    model: ModelLike = None
    refusal: str | Callable[[Mapping[str, Any]], str] = REFUSAL
    on_guard_error: OnFailure = "deny"
    on_guard_timeout: OnFailure = "deny"
    mode: Mode = "parallel"
    timeout: float | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        """Check the options against one another.

        Raises:
            SetupError: An option is unknown or out of its range.
        """
        check_retries(self.retries)
        for guard in self.guards:
            if not isinstance(guard, Guard):
                raise SetupError(f"{guard!r} is not a guard. Give Guard('name', 'prompt').")
            if guard.timeout is None:
                raise SetupError(
                    f"Guard {guard.name!r} has no deadline: if it hung, the answer would never "
                    f"leave. Give timeout= in seconds; the default is {DEFAULT_DEADLINE:g}."
                )
        if self.mode not in get_args(Mode):
            raise SetupError(f"Unknown mode {self.mode!r}. Allowed: {', '.join(get_args(Mode))}.")
        needed = getattr(self.policy.rule, "needs", 1)
        if needed > len(self.guards) > 0:
            raise SetupError(
                f"The verdict needs {needed} trips, but there are {len(self.guards)} guards. Give "
                f"a threshold from 1 to {len(self.guards)}."
            )
        _ = self.answer

    @cached_property
    def policy(self) -> VerdictPolicy:
        """How findings become a verdict."""
        rule = verdict_rule(self.verdict)
        return VerdictPolicy(rule, self.on_guard_error, self.on_guard_timeout)

    @cached_property
    def answer(self) -> Branch:
        """What answers, as a branch: a prompt for the model, or a run."""
        if isinstance(self.respond, str):
            return Branch(RESPOND, self.respond, model=self.model, timeout=self.timeout)
        return Branch(RESPOND, run=self.respond, timeout=self.timeout)
