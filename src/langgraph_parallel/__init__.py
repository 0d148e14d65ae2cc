"""Parallel LLM patterns for LangGraph: sectioning, voting, and guardrails beside the response."""

from langgraph_parallel.aggregators import (
    Ballot,
    Decision,
    SectionResult,
    ahead_by,
    all_votes,
    any_vote,
    at_least,
    fixed,
    join,
    majority,
    merge,
    plurality,
    settled,
    synthesize,
)
from langgraph_parallel.errors import (
    BranchFailedError,
    ModelUnavailableError,
    ParallelPatternError,
    SetupError,
    UndecidedError,
)
from langgraph_parallel.graphs.guardrail import build_guardrail, create_guardrail
from langgraph_parallel.graphs.sectioning import build_sectioning, create_sectioning
from langgraph_parallel.graphs.voting import build_voting, create_voting
from langgraph_parallel.nodes.guard import Guard
from langgraph_parallel.nodes.section import Section
from langgraph_parallel.nodes.voter import Voter

__all__ = [
    "Ballot",
    "BranchFailedError",
    "Decision",
    "Guard",
    "ModelUnavailableError",
    "ParallelPatternError",
    "Section",
    "SectionResult",
    "SetupError",
    "UndecidedError",
    "Voter",
    "ahead_by",
    "all_votes",
    "any_vote",
    "at_least",
    "build_guardrail",
    "build_sectioning",
    "build_voting",
    "create_guardrail",
    "create_sectioning",
    "create_voting",
    "fixed",
    "join",
    "majority",
    "merge",
    "plurality",
    "settled",
    "synthesize",
]
