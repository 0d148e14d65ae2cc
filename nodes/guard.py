"""Guards: what checks the input or the answer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from langgraph_parallel.aggregators.verdict import OnFailure, Standing, check_reaction
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch

RESPOND = "respond"
DEFAULT_DEADLINE = 10.0
REFUSAL = "I can't help with that."


class GuardReply(BaseModel):
    """What a guard's model replies."""

    reason: str = Field(description="One short sentence: what the decision rests on.")
    tripped: bool = Field(description="True if the text must be blocked, false if it may pass.")


class RewriteReply(GuardReply):
    """What the model of a guard that rewrites replies."""

    rewrite: str | None = Field(
        description="The whole text as it should be instead, or null if it may stay as it is."
    )


@dataclass(frozen=True, kw_only=True)
class Guard(Branch):
    """A check of the input or of the answer; it trips when the answer must not be given.

    A `schema` of your own has a field `tripped` and may have `reason`. A `run` gives `True` when
    it trips, or a dict with these keys.

    Example:
        >>> Guard("secrets", run=lambda text: "password" in text).timeout
        10.0
    """

    timeout: float | None = DEFAULT_DEADLINE
    """The deadline: seconds until the guard counts as failed; 10 by default."""
    trip_on: Any = True
    """The output of the `run` that is a trip, such as the label `"unsafe"` of a vote."""
    on_error: OnFailure | None = None
    """What it counts as when it fails; the guardrail's `on_guard_error` when left out."""
    on_timeout: OnFailure | None = None
    """What it counts as when it exceeds its deadline; `on_guard_timeout` when left out."""
    weight: float = 1.0
    """What its trip weighs, for verdicts that weigh."""
    rewrites: bool = False
    """Whether it may change the text. Its `run` then gives the text as it should be (the same
    text: nothing to change), or a dict with `rewrite`; a prompt's model is asked for one. The
    verdict waits for it, and several of them work one after another, in their order."""

    def __post_init__(self) -> None:
        """Check what can be known before any call.

        Raises:
            SetupError: As in `Branch`, or an option is out of its range.
        """
        super().__post_init__()
        for option, value in (("on_error", self.on_error), ("on_timeout", self.on_timeout)):
            if value is not None:
                check_reaction(f"Guard {self.name!r}: {option}", value)
        if not (self.weight >= 0 and math.isfinite(self.weight)):
            raise SetupError(
                f"Guard {self.name!r} has weight={self.weight}. Give a number from 0 up."
            )
        if self.rewrites and self.trip_on is not True:
            raise SetupError(
                f"Guard {self.name!r} has trip_on= beside rewrites=True: what it gives is a text, "
                "not a label. Leave out one of them."
            )


def standing(guard: Guard) -> Standing:
    """Give what a guard counts for in a verdict."""
    return Standing(guard.weight, guard.on_error, guard.on_timeout)


def rewriters(guards: Sequence[Guard]) -> list[int]:
    """Give the indexes of the guards that may rewrite the text."""
    return [index for index, guard in enumerate(guards) if guard.rewrites]
