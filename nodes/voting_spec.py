"""The options of a voting graph, and what follows from them."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any

from langgraph_parallel.aggregators.counting import count
from langgraph_parallel.aggregators.presets import PRESETS, stop_named
from langgraph_parallel.aggregators.rounds import any_order
from langgraph_parallel.aggregators.rules import is_own, reads, rule_named
from langgraph_parallel.aggregators.types import AskingRule, Ballot, Merge, Rule, Stop
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.ballot import Options, labels_of
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.voter import JUDGE, OnUndecided, Rounds, Voter

SAMPLED_MAX_VOTES = 15
CALLS_PER_VOTE = 2


@dataclass(frozen=True)
class VotingSpec:
    """The options of a voting graph; `create_voting` says what they mean, and checks them."""

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
        """The closed list of labels; without options, those of a rule that flags, for prompts."""
        given = labels_of(self.options)
        is_asked = any(voter.prompt is not None for voter in self.voters)
        if given is None and self.options is None and is_asked:
            return getattr(self.decide, "labels", None)
        return given

    @property
    def choices(self) -> Options:
        """What can be voted for: the labels, or else the options."""
        return self.options if self.labels is None else self.labels

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
        asks_again = self.extends or not self.is_panel
        return self.votes * (CALLS_PER_VOTE if asks_again else 1)

    @property
    def extends(self) -> bool:
        """Whether more ballots than the stop asks for may be needed for a decision."""
        return self.on_undecided == "more" or getattr(self.decide, "tie", None) == "one_more"

    @cached_property
    def decide(self) -> Callable[..., Any]:
        """The rule, a `Rule` or an `AskingRule`."""
        if self.rule is not None and not isinstance(self.rule, str):
            return self.rule
        default = "majority" if self.is_panel and self._asks_all else "plurality"
        return rule_named(self.rule or default, labels_of(self.options) or ())

    @property
    def _asks_all(self) -> bool:
        """Whether the stop is one for a whole panel."""
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
        if reads(self.decide) != "counts" or (self.is_panel and not is_own(self.decide)):
            return f"fixed_{self.votes}"
        return "settled" if self.is_panel else "ahead_by_3"

    @cached_property
    def enough(self) -> Stop:
        """The stop."""
        stop = self.stop_given
        if stop == "settled" or getattr(stop, "any_order", False):
            if reads(self.decide) != "counts":
                raise SetupError(
                    "The stop 'settled' knows the counts of labels alone, but the rule "
                    f"{self.rule!r} reads more. Leave the stop out, or give 'fixed_{self.votes}'."
                )
            if getattr(stop, "is_for_any_rule", False):
                stop = "settled"
        if not isinstance(stop, str):
            return stop
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


def all_voters(spec: VotingSpec) -> list[Voter]:
    """Give all that may be asked: the voters, and the judge."""
    return [*spec.voters, *([] if spec.judge is None else [spec.judge])]
