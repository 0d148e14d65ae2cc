"""Pure rules: how the results of branches become one answer. No LangGraph, no I/O."""

from langgraph_parallel.aggregators.combine import join, merge, synthesize
from langgraph_parallel.aggregators.rules import all_votes, any_vote, at_least, majority, plurality
from langgraph_parallel.aggregators.stops import ahead_by, fixed, need, settled
from langgraph_parallel.aggregators.types import (
    UNDECIDED,
    Aggregate,
    Ballot,
    Decision,
    Rule,
    SectionResult,
    Stop,
)

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
    "fixed",
    "join",
    "majority",
    "merge",
    "need",
    "plurality",
    "settled",
    "synthesize",
]
