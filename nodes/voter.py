"""Voters, and the options of a voting graph."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from types import GenericAlias
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, create_model

from langgraph_parallel.aggregators.ballots import Reading, read_ballot, read_number, read_ranking
from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.rules import reads, rule_named
from langgraph_parallel.aggregators.stops import stop_named
from langgraph_parallel.aggregators.types import Rule, Stop
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch, check_retries
from langgraph_parallel.nodes.models import ModelLike

SAMPLED_MAX_VOTES = 15
CALLS_PER_VOTE = 2

Rounds = Literal["lossless", "doubling", "all_at_once"]
"""How many calls start together: as many as the stop cannot do without; as many again as have
been started; or all."""

OnUndecided = Literal["raise", "abstain"]
"""What becomes of no decision: an error, or the output `None`."""

Options = Sequence[Any] | type[BaseModel] | type[float] | None
"""What can be voted for: a closed list of labels, numbers (`int` or `float`), a Pydantic model, or
anything."""

_NUMBERS = (int, float)
_ONE_OF = "Answer with exactly one of"


@dataclass(frozen=True, kw_only=True)
class Voter(Branch):
    """Somebody who votes; a single one is asked repeatedly.

    A `schema` of your own has a field `ballot` and may have `reason` and `confidence`. A `run`
    gives its ballot, or a dict with these keys; `None` is an unreadable ballot.

    Example:
        >>> Voter("politeness", "Is this text polite?").name
        'politeness'
    """

    weight: float = 1.0
    """What its ballots weigh under the rule `weighted`; above 0."""

    def __post_init__(self) -> None:
        """Check the weight, and what all branches have in common."""
        super().__post_init__()
        if not 0 < self.weight < float("inf"):
            raise SetupError(
                f"Voter {self.name!r} has weight={self.weight}. Give a finite number above 0, and "
                "leave out a voter that is not to count."
            )


@dataclass(frozen=True)
class VotingSpec:
    """The options of a voting graph; `create_voting` says what they mean."""

    voters: Sequence[Voter]
    _: KW_ONLY
    options: Options = None
    rule: str | Rule | None = None
    stop: str | Stop | None = None
    max_votes: int | None = None
    max_calls: int | None = None
    rounds: Rounds = "lossless"
    model: ModelLike = None
    on_undecided: OnUndecided = "raise"
    default: Any = None
    retries: int = 2

    def __post_init__(self) -> None:
        """Check the options against one another.

        Raises:
            SetupError: An option is unknown or out of its range.
        """
        for voter in self.voters:
            if not isinstance(voter, Voter):
                raise SetupError(f"{voter!r} is not a voter. Give Voter('name', 'prompt').")
        if not self.voters:
            raise SetupError("No voters were given. Give at least one Voter('name', 'prompt').")
        check_retries(self.retries)
        self._check_options()
        for option, function in (("rule", self.decide), ("stop", self.enough)):
            if not callable(function):
                raise SetupError(
                    f"{option}={function!r} cannot be called. Give a name or a function of yours."
                )
        self._check_caps()
        for option, value, allowed in (
            ("rounds", self.rounds, get_args(Rounds)),
            ("on_undecided", self.on_undecided, get_args(OnUndecided)),
        ):
            if value not in allowed:
                raise SetupError(f"Unknown {option} {value!r}. Allowed: {', '.join(allowed)}.")

    def _check_options(self) -> None:
        if self.labels is None:
            if self.options is not None and not isinstance(self.options, type):
                raise SetupError(
                    f"options={self.options!r} is no choice. Give a list of labels, a Pydantic "
                    "model, or None for free answers."
                )
            return
        names = [label(option) for option in self.labels]
        if len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004
            raise SetupError(
                f"options={list(self.labels)!r} is no choice. Give two or more different labels, a "
                "Pydantic model, or None for free answers."
            )

    def _check_caps(self) -> None:
        if self.votes < 1:
            raise SetupError(f"max_votes={self.votes} asks nobody. Give a number from 1 up.")
        if self.calls < self.votes:
            raise SetupError(
                f"max_calls={self.calls} is below max_votes={self.votes}: that many ballots could "
                f"never be cast. Give {self.votes} or more."
            )
        needed = getattr(self.decide, "needs", 1)
        if needed > self.votes:
            raise SetupError(
                f"The rule needs {needed} ballots, but at most {self.votes} are cast. Give a "
                f"threshold from 1 to {self.votes}, or a share such as 0.5."
            )
        if self.enough({}, 0, self.votes):
            raise SetupError(
                f"The stop {self._stop!r} is satisfied before the first vote, so nobody would be "
                "asked. Have it wait for a vote."
            )
        if not self.enough({"unanimous": self.votes}, self.votes, self.votes):
            raise SetupError(
                f"max_votes={self.votes} is below what the stop {self._stop!r} needs: even "
                f"{self.votes} votes that all agree do not satisfy it. Raise max_votes or ask less "
                "of the stop."
            )

    @property
    def is_panel(self) -> bool:
        """Whether there are several voters, not one that is sampled."""
        return len(self.voters) > 1

    @property
    def size(self) -> int | None:
        """The panel's size for the rule; `None` where one voter is sampled."""
        return self.votes if self.is_panel else None

    @property
    def labels(self) -> Sequence[Any] | None:
        """The closed list of labels, if there is one."""
        if isinstance(self.options, Sequence) and not isinstance(self.options, str):
            return self.options
        return None

    @property
    def votes(self) -> int:
        """Readable ballots at most."""
        if self.max_votes is not None:
            return self.max_votes
        return len(self.voters) if self.is_panel else SAMPLED_MAX_VOTES

    @property
    def calls(self) -> int:
        """Calls at most; a sampled voter is asked again for unreadable ballots."""
        if self.max_calls is not None:
            return self.max_calls
        return self.votes * (1 if self.is_panel else CALLS_PER_VOTE)

    @cached_property
    def decide(self) -> Rule:
        """The rule."""
        if self.rule is not None and not isinstance(self.rule, str):
            return self.rule
        rule = self.rule or ("majority" if self.is_panel else "plurality")
        return rule_named(rule, self.labels or ())

    @property
    def _stop(self) -> str | Stop:
        if self.stop is not None:
            return self.stop
        if reads(self.decide) != "counts":
            return f"fixed_{self.votes}"
        return "settled" if self.is_panel else "ahead_by_3"

    @cached_property
    def enough(self) -> Stop:
        """The stop."""
        stop = self._stop
        if not isinstance(stop, str):
            return stop
        if stop == "settled" and reads(self.decide) != "counts":
            raise SetupError(
                f"The stop 'settled' knows the counts of labels alone, but the rule {self.rule!r} "
                f"reads more. Leave the stop out, or give 'fixed_{self.votes}'."
            )
        return stop_named(stop, self.decide, self.labels or (), self.size)

    def schema(self, voter: Voter) -> type[BaseModel] | None:
        """Give the structured output for a voter's ballot."""
        if voter.schema is not None:
            return voter.schema
        if self.labels is not None:
            return ballot_schema(tuple(self.labels), is_ranked=reads(self.decide) == "ranked")
        if self.options in _NUMBERS:
            number: Any = self.options
            return create_model("Ballot", ballot=(number, Field(description="The number.")))
        return self.options if isinstance(self.options, type) else None  # type: ignore[return-value]

    def read(self, reply: Any) -> Reading:
        """Read a ballot from a voter's reply."""
        if reads(self.decide) == "ranked":
            return read_ranking(reply, self.labels)
        reading = read_ballot(reply, self.labels)
        return read_number(reading) if self.options in _NUMBERS else reading

    def prompt(self, voter: Voter) -> str | None:
        """Give a voter's prompt, with the options named at its end."""
        if voter.prompt is None or self.labels is None:
            return voter.prompt
        named = ", ".join(label(option) for option in self.labels)
        how = "Rank all of these, best first" if reads(self.decide) == "ranked" else _ONE_OF
        return f"{voter.prompt.rstrip()}\n\n{how}: {named}."


def ballot_schema(options: tuple[Any, ...], *, is_ranked: bool = False) -> type[BaseModel]:
    """Make the structured output for a closed list of labels: one of them, or a ranking.

    Example:
        >>> ballot_schema(("safe", "unsafe"))(ballot="safe").ballot
        'safe'
    """
    choice: Any = Literal[options]
    if is_ranked:
        ranking: Any = GenericAlias(list, (choice,))
        field = Field(description="All labels, each once, best first.")
        return create_model("Ballot", ballot=(ranking, field))
    return create_model("Ballot", ballot=(choice, Field(description="The label that fits.")))
