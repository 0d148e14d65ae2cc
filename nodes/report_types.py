"""The shapes of the reports, for type checkers and the reference."""

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

from langgraph_parallel.aggregators.verdict import Verdict
from langgraph_parallel.nodes.branch import ReportedBranch, Status, Usage


class TotalUsage(Usage):
    """What a whole run consumed."""

    cancelled: Usage
    """The share of branches that were cut off because they were no longer needed."""


class Report(TypedDict):
    """The part of a report that all patterns share; each adds its own keys."""

    pattern: str
    """`"sectioning"`, `"voting"` or `"guardrail"`."""
    branches: list[ReportedBranch]
    """What came of each branch, by index."""
    usage: TotalUsage
    """What all branches consumed, and what was consumed beside them, as by a synthesis."""
    seconds: float
    """Seconds from the dispatch to the end of the pattern."""


class AggregateRun(TypedDict):
    """When the aggregate ran."""

    status: Status
    """How it ended."""
    started: float
    """Seconds from the dispatch to its beginning."""
    seconds: float
    """Seconds that it took."""


class SectioningReport(Report):
    """The report of a sectioning graph."""

    failed: list[str]
    """Names of the sections that ended in an error or a timeout."""
    skipped: list[str]
    """Names of the sections that were cancelled."""
    aggregate: NotRequired[AggregateRun]
    """When the aggregate ran; left out if it never began."""


class Calls(TypedDict):
    """How many votes were asked for, and what became of them."""

    started: int
    """Votes asked for."""
    readable: int
    """Of them, those that gave a ballot."""
    unreadable: int
    """Those that gave none, failed ones included."""
    cancelled: int
    """Those that no longer mattered."""


class Cast(TypedDict):
    """A ballot and where it comes from."""

    index: int
    """Number of its branch."""
    voter: str
    """Name of the voter."""
    ballot: Any
    """The ballot."""
    reason: str | None
    """The voter's reason, if it gave one."""


class Judgement(TypedDict):
    """What the judge of an undecided vote said."""

    ballot: Any
    """The judge's ballot."""
    reason: str | None
    """Its reason, if it gave one."""


class VotingReport(Report):
    """The report of a vote."""

    voters: list[str]
    """Names of the voters whose ballots count."""
    decision: Any
    """The label, number, ranking's winner or text that was decided; `None` without a decision."""
    decided: bool
    """Whether there is a decision."""
    tied: list[str]
    """The labels that shared the first place, also where the tie was broken."""
    counts: dict[str, int]
    """Readable ballots by label."""
    lead: int
    """Votes of the leading label beyond those of the second."""
    agreement: float
    """Share of the readable ballots that are for the decision, 0 to 1. No probability: models agree
    on mistakes, too."""
    posterior: float
    """Probability that the leading label is the more frequent one of the first two, were more votes
    asked for; not that it is right."""
    threshold: int | None
    """Votes of the leading label with which the stop ends the vote, the others as they are. `None`
    where a number of ballots ends it, or where the labels do not all need the same votes."""
    stopped_by: Literal["stop", "max_votes", "max_calls"]
    """What ended the vote."""
    rounds: int
    """Rounds of calls."""
    calls: Calls
    """Votes asked for; those of advisers and the judge are not among them."""
    dissent: list[Cast]
    """The readable ballots that are not for the decision."""
    advice: NotRequired[list[Cast]]
    """Ballots of advisory voters, where there are any."""
    merged: NotRequired[dict[str, list[str]]]
    """With `merge`: by label, the other labels that were counted for it."""
    judged: NotRequired[Judgement | None]
    """Where a judge was asked: what it said; `None` if that could not be read."""


class GuardEntry(TypedDict):
    """What a guard found."""

    name: str
    """The guard's name."""
    finding: Literal["passed", "rewritten", "tripped", "failed", "timed_out", "cancelled"]
    """`"cancelled"` where it no longer mattered."""
    reason: str | None
    """Why it tripped or failed."""
    seconds: float
    """Seconds of its work."""
    usage: Usage
    """What it consumed."""


class GuardrailReport(Report):
    """The report of a guardrail."""

    verdict: Verdict
    """`"passed"`, `"blocked"`, or `"failed"` or `"timed_out"` where guards could not judge."""
    guards: list[GuardEntry]
    """The guards of the input, in their order."""
    output_guards: list[GuardEntry]
    """The guards of the answer, in their order."""
    blocked_by: list[str]
    """Names of the guards that denied."""
    reasons: list[str]
    """Why they did."""
    seconds_saved: float
    """Seconds by which the work of the answer and that of the guards overlapped."""
