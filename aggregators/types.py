"""What the rules work on: ballots, decisions, section results, and the protocols of the rules."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Ballot:
    """One readable vote.

    Example:
        >>> Ballot("safe", index=2, voter="politeness").value
        'safe'
    """

    value: Any
    """The vote: a label, number, ranked list or text; plain JSON-able data."""

    index: int = 0
    """Number of the branch that cast it; ties and decisions follow this order, never arrival."""

    voter: str = ""
    """Name of the voter."""

    confidence: float | None = None
    """What the voter said of its own certainty, 0 to 1, if it said anything."""

    reason: str | None = None
    """Why, in the voter's words, if it said anything."""

    weight: float = 1.0
    """What its voter weighs, for rules that weigh."""

    score: float | None = None
    """What a scorer gave it, for `best_of`."""


@dataclass(frozen=True)
class Decision:
    """What a rule made of the ballots."""

    value: Any
    """The winning value; `None` when undecided."""

    decided: bool = True
    """False when the ballots give no decision: a proper outcome, not an error."""

    tied: tuple[Any, ...] = ()
    """The values that shared the first place, if there was a tie."""

    one_more: bool = False
    """Whether one more ballot is to break the tie, as long as calls are left; a rule of your own
    that sets it says so by an attribute `tie = "one_more"`."""


UNDECIDED = Decision(value=None, decided=False)
"""The decision of a rule that cannot decide."""


class Rule(Protocol):
    """Who wins: from the readable ballots to a decision."""

    def __call__(self, ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        """Decide.

        Args:
            ballots: The readable ballots, in order of their index.
            size: Number of ballots that should have been cast (the panel); `None` means as many
                as are readable.
        """
        ...


AskingRule = Callable[..., Awaitable[Decision]]
"""A rule that asks a model: an async function of the ballots and the size, as `Rule`, which may
ask by name for `model` (the pattern's chat model) and `config` (a `RunnableConfig`)."""

Merge = Callable[..., Any]
"""Which ballots mean the same: a sync or async function of the different values, in order of their
first ballot's index, that gives for each of them, in the same order, the value that it stands for.
It may also ask by name for `model` and `config`."""


class Stop(Protocol):
    """When enough votes are in."""

    def __call__(self, counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        """Say whether voting can stop.

        Args:
            counts: Votes per label, in order of each label's first ballot.
            n: Number of readable ballots so far.
            cap: Number of readable ballots at which voting stops anyway.
        """
        ...


@dataclass(frozen=True)
class SectionResult:
    """The output of one section that ended well."""

    name: str
    """Name of the section."""

    output: Any
    """Text, or plain JSON-able data where the section has a schema."""

    index: int = 0
    """Number of the section in the order in which sections were given."""


Aggregate = Callable[..., Any]
"""How the sections' results become one answer: a sync or async function of a list with
a `SectionResult` of each section that ended well, in order of their index. It may also ask by name
for `model` (the pattern's chat model), `config` (a `RunnableConfig`), `runtime` (a LangGraph
`Runtime`) and `input`."""
