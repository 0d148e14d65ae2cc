"""The options of a guardrail graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from langchain_core.runnables import Runnable

from langgraph_parallel.aggregators.types import Rule
from langgraph_parallel.aggregators.verdict import OnFailure, VerdictPolicy, verdict_rule
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch, check_retries
from langgraph_parallel.nodes.guard import DEFAULT_DEADLINE, REFUSAL, RESPOND, Guard, standing
from langgraph_parallel.nodes.models import ModelLike

MAX_HELD = 1024
LOOKBACK = 200

Mode = Literal["parallel", "blocking"]
"""Whether the answer is written beside the guards, or only after they have passed the input."""

Release = Literal["on_verdict", "immediately"]
"""When the answer's tokens leave: once the guards have passed the input, or as they come."""

OnBlock = Literal["refuse", "raise"]
"""What a denial gives: the refusal as the answer, or `GuardrailTripped`."""

Refusal = str | Callable[..., Any] | Runnable[Any, Any]
"""What is answered instead: a text, or a function or Runnable of the report."""


@dataclass(frozen=True)
class GuardrailSpec:
    """The options of a guardrail graph; `create_guardrail` says what they mean."""

    respond: Any
    guards: Sequence[Guard]
    _: KW_ONLY
    output_guards: Sequence[Guard] = ()
    verdict: str | Rule = "any"
    output_verdict: str | Rule = "any"
    output_window: int | None = None
    output_lookback: int = LOOKBACK
    model: ModelLike = None
    refusal: Refusal = REFUSAL
    on_block: OnBlock = "refuse"
    on_guard_error: OnFailure = "deny"
    on_guard_timeout: OnFailure = "deny"
    mode: Mode = "parallel"
    release: Release = "on_verdict"
    max_held: int = MAX_HELD
    timeout: float | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        """Check the options against one another.

        Raises:
            SetupError: An option is unknown or out of its range.
        """
        check_retries(self.retries)
        _check_choice("mode", self.mode, get_args(Mode))
        _check_choice("release", self.release, get_args(Release))
        _check_choice("on_block", self.on_block, get_args(OnBlock))
        _check_number("max_held", self.max_held, 1, "pieces of the answer")
        _check_number("output_lookback", self.output_lookback, 0, "characters")
        if self.output_window is not None:
            _check_number("output_window", self.output_window, 1, "characters")
            if not self.output_guards:
                raise SetupError(
                    f"output_window={self.output_window} is of no use without output_guards. Give "
                    "output guards, or leave it out."
                )
        if not (isinstance(self.refusal, (str, Runnable)) or callable(self.refusal)):
            raise SetupError(
                f"refusal={self.refusal!r} cannot be given. Give a text, or a function or Runnable "
                "of the report."
            )
        _check_guards(self.guards, self.policy.rule)
        _check_guards(self.output_guards, self.output_policy.rule)
        _ = self.answer

    @cached_property
    def policy(self) -> VerdictPolicy:
        """How findings on the input become a verdict."""
        return self._policy(self.verdict, self.guards)

    @cached_property
    def output_policy(self) -> VerdictPolicy:
        """How findings on the answer become a verdict."""
        return self._policy(self.output_verdict, self.output_guards)

    @cached_property
    def answer(self) -> Branch:
        """What answers, as a branch: a prompt for the model, or a run."""
        if isinstance(self.respond, str):
            return Branch(RESPOND, self.respond, model=self.model, timeout=self.timeout)
        return Branch(RESPOND, run=self.respond, timeout=self.timeout)

    def _policy(self, rule: str | Rule, guards: Sequence[Guard]) -> VerdictPolicy:
        for guard in guards:
            if not isinstance(guard, Guard):
                raise SetupError(f"{guard!r} is not a guard. Give Guard('name', 'prompt').")
            if guard.timeout is None:
                raise SetupError(
                    f"Guard {guard.name!r} has no deadline: if it hung, the answer would never "
                    f"leave. Give timeout= in seconds; the default is {DEFAULT_DEADLINE:g}."
                )
        standings = [standing(guard) for guard in guards]
        return VerdictPolicy(
            verdict_rule(rule), self.on_guard_error, self.on_guard_timeout, standings
        )


def blocked_message(report: Mapping[str, Any]) -> str:
    """Say why an answer was withheld."""
    by = ", ".join(map(repr, report["blocked_by"])) or "none"
    reasons = f" Reasons: {' '.join(map(str, report['reasons']))}" if report["reasons"] else ""
    return f"The guardrail withheld the answer: {report['verdict']}, by {by}.{reasons}"


def _check_guards(guards: Sequence[Guard], rule: Rule) -> None:
    needed = getattr(rule, "needs", 1)
    if needed > len(guards) > 0:
        raise SetupError(
            f"The verdict needs {needed} trips, but there are {len(guards)} guards. Give a "
            f"threshold from 1 to {len(guards)}."
        )
    weight = sum(guard.weight for guard in guards)
    if guards and getattr(rule, "needs_weight", 0) > weight:
        raise SetupError(
            f"The verdict needs trips that weigh {rule.needs_weight:g}, but all guards together "  # type: ignore[attr-defined]
            f"weigh {weight:g}. Give a lower threshold, or guards with more weight=."
        )


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SetupError(f"Unknown {option} {value!r}. Allowed: {', '.join(allowed)}.")


def _check_number(option: str, value: int, least: int, unit: str) -> None:
    if type(value) is not int or value < least:
        raise SetupError(f"{option}={value!r} cannot be. Give a number of {unit}, from {least} up.")
