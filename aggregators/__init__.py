"""Pure rules: how the results of branches become one answer. No LangGraph, no I/O."""

from langgraph_parallel.aggregators.best import best_of
from langgraph_parallel.aggregators.combine import join, merge, synthesize
from langgraph_parallel.aggregators.meaning import consensus, same_if, same_meaning
from langgraph_parallel.aggregators.numeric import median, trimmed_mean
from langgraph_parallel.aggregators.panel import panel_statistics
from langgraph_parallel.aggregators.ranked import borda, instant_runoff
from langgraph_parallel.aggregators.rounds import need
from langgraph_parallel.aggregators.rules import all_votes, any_vote, at_least, majority, plurality
from langgraph_parallel.aggregators.stops import (
    ahead_by,
    beta,
    first_to,
    fixed,
    quorum,
    settled,
    unanimous_or,
)
from langgraph_parallel.aggregators.trips import weight_at_least
from langgraph_parallel.aggregators.types import (
    UNDECIDED,
    Aggregate,
    Ballot,
    Decision,
    Rule,
    SectionResult,
    Stop,
)
from langgraph_parallel.aggregators.weighted import weighted

__all__ = [
    "UNDECIDED",
    "Aggregate",
    "Ballot",
    "Decision",
    "Rule",
    "SectionResult",
    "Stop",
    "ahead_by",
    "all_votes",
    "any_vote",
    "at_least",
    "best_of",
    "beta",
    "borda",
    "consensus",
    "first_to",
    "fixed",
    "instant_runoff",
    "join",
    "majority",
    "median",
    "merge",
    "need",
    "panel_statistics",
    "plurality",
    "quorum",
    "same_if",
    "same_meaning",
    "settled",
    "synthesize",
    "trimmed_mean",
    "unanimous_or",
    "weight_at_least",
    "weighted",
]
