"""The options of a voting graph, checked against one another."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from langgraph_parallel.aggregators.counting import count, label
from langgraph_parallel.aggregators.presets import PRESETS, stop_named
from langgraph_parallel.aggregators.rounds import any_order
from langgraph_parallel.aggregators.rules import reads, rule_named
from langgraph_parallel.aggregators.types import AskingRule, Ballot, Merge, Rule, Stop
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.ballot import Options, labels_of
from langgraph_parallel.nodes.branch import check_retries
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.voter import JUDGE, Voter

SAMPLED_MAX_VOTES = 15
CALLS_PER_VOTE = 2

Rounds = Literal["lossless", "doubling", "all_at_once"]
"""How many calls start together: as many as the stop cannot do without; as many again as have
been started; or all."""

OnUndecided = Literal["raise", "abstain", "judge", "more"]
"""What becomes of no decision: an error; the output `None`; one more call that sees all ballots;
or more ballots, up to the cap on calls."""


@dataclass(frozen=True)
class VotingSpec:
    """The options of a voting graph; `create_voting` says what they mean."""

    voters: Sequence[Voter]
    _: KW_ONLY
    options: Options = None
    rule: str | Rule | AskingRule | None = None
    stop: str | Stop | None = None
    max_votes: int | None = None
    max_calls: int | None = None
    rounds: Rounds | None = None
    merge: Merge | None = None
    max_chars: int | None = None
    one_request: bool = False
    model: ModelLike = None
    on_undecided: OnUndecided | Voter = "raise"
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
        if not self.electors:
            raise SetupError(
                "No voters were given whose ballots count. Give at least one "
                "Voter('name', 'prompt') that is not advisory."
            )
        check_retries(self.retries)
        self._check_options()
        for option, function in (("rule", self.decide), ("stop", self.enough)):
            if not callable(function):
                raise SetupError(
                    f"{option}={function!r} cannot be called. Give a name or a function of yours."
                )
        if self.merge is not None and not callable(self.merge):
            raise SetupError(
                f"merge={self.merge!r} cannot be called. Give same_if or same_meaning."
            )
        self._check_caps()
        for option, value, allowed in (
            ("rounds", self.pace, get_args(Rounds)),
            ("on_undecided", self.on_undecided, get_args(OnUndecided)),
        ):
            if value not in allowed and not isinstance(value, Voter):
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
        if self.max_chars is not None and self.max_chars < 1:
            raise SetupError(f"max_chars={self.max_chars} allows no reply. Give 1 or more.")
        needed = getattr(self.decide, "needs", 1)
        if needed > self.votes:
            raise SetupError(
                f"The rule needs {needed} ballots, but at most {self.votes} are cast. Give a "
                f"threshold from 1 to {self.votes}, or a share such as 0.5."
            )
        if self.enough({}, 0, self.votes):
            raise SetupError(
                f"The stop {self.stop_given!r} is satisfied before the first vote, so nobody would "
                "be asked. Have it wait for a vote."
            )

    @property
    def electors(self) -> Sequence[Voter]:
        """The voters whose ballots count."""
        return [voter for voter in self.voters if not voter.advisory]

    @property
    def advisers(self) -> Sequence[Voter]:
        """The voters whose ballots are only recorded."""
        return [voter for voter in self.voters if voter.advisory]

    def voter_at(self, index: int) -> Voter:
        """Give the voter of a branch: first the advisers, then the others round robin."""
        advisers, electors = self.advisers, self.electors
        if index < len(advisers):
            return advisers[index]
        return electors[(index - len(advisers)) % len(electors)]

    @property
    def judge(self) -> Voter | None:
        """Who decides when the ballots do not."""
        if isinstance(self.on_undecided, Voter):
            return self.on_undecided
        return JUDGE if self.on_undecided == "judge" else None

    @property
    def is_panel(self) -> bool:
        """Whether each of several voters is asked once, and the whole of them decides."""
        return len(self.electors) > 1 and self.votes == len(self.electors)

    @property
    def size(self) -> int | None:
        """The panel's size for the rule; `None` where voters are sampled."""
        return self.votes if self.is_panel else None

    @property
    def labels(self) -> Sequence[Any] | None:
        """The closed list of labels, if there is one."""
        return labels_of(self.options)

    @property
    def votes(self) -> int:
        """Readable ballots at most."""
        if self.max_votes is not None:
            return self.max_votes
        if isinstance(self.stop, str) and self.stop in PRESETS:
            return PRESETS[self.stop][1]
        return len(self.electors) if len(self.electors) > 1 else SAMPLED_MAX_VOTES

    @property
    def calls(self) -> int:
        """Calls at most; a sampled voter is asked again for unreadable ballots."""
        if self.max_calls is not None:
            return self.max_calls
        asks_again = not self.is_panel or self.on_undecided == "more" or self._tie == "one_more"
        return self.votes * (CALLS_PER_VOTE if asks_again else 1)

    @property
    def _tie(self) -> Any:
        return getattr(self.decide, "tie", None)

    @cached_property
    def decide(self) -> Callable[..., Any]:
        """The rule, a `Rule` or an `AskingRule`."""
        if self.rule is not None and not isinstance(self.rule, str):
            return self.rule
        default = "majority" if self.is_panel and self._asks_all else "plurality"
        return rule_named(self.rule or default, self.labels or ())

    @property
    def _asks_all(self) -> bool:
        if self.stop is None or isinstance(self.stop, str):
            return self.stop in (None, "settled") or str(self.stop).startswith("fixed_")
        return any_order(self.stop) or hasattr(self.stop, "votes")

    @property
    def stop_given(self) -> str | Stop:
        """The stop, or its name."""
        if self.stop is not None:
            return self.stop
        own: Stop | None = getattr(self.decide, "stop", None)
        if own is not None:
            return own
        if reads(self.decide) != "counts":
            return f"fixed_{self.votes}"
        return "settled" if self.is_panel else "ahead_by_3"

    @cached_property
    def enough(self) -> Stop:
        """The stop."""
        stop = self.stop_given
        if not isinstance(stop, str):
            return stop
        if stop == "settled" and reads(self.decide) != "counts":
            raise SetupError(
                f"The stop 'settled' knows the counts of labels alone, but the rule {self.rule!r} "
                f"reads more. Leave the stop out, or give 'fixed_{self.votes}'."
            )
        return stop_named(stop, self.decide, self.labels or (), self.size)

    @property
    def pace(self) -> Rounds:
        """How many calls start together."""
        if self.rounds is not None:
            return self.rounds
        return "all_at_once" if self.is_panel and any_order(self.enough) else "lossless"

    def is_ranked(self, voter: Voter) -> bool:
        """Say whether a voter ranks the labels; a judge names one."""
        return reads(self.decide) == "ranked" and voter is not self.judge

    def count(self, ballots: Sequence[Ballot]) -> dict[str, int]:
        """Count ballots for the stop, as the rule marks them or else by their values."""
        return count(ballots, getattr(self.decide, "mark", None))
