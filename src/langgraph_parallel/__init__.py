"""Parallel LLM patterns for LangGraph: sectioning, voting, and guardrails beside the response."""

from langgraph_parallel.aggregators import (
    Ballot,
    Decision,
    SectionResult,
    ahead_by,
    all_votes,
    any_vote,
    at_least,
    beta,
    borda,
    first_to,
    fixed,
    instant_runoff,
    join,
    majority,
    median,
    merge,
    panel_statistics,
    plurality,
    quorum,
    settled,
    synthesize,
    trimmed_mean,
    unanimous_or,
    weighted,
)
from langgraph_parallel.errors import (
    BranchFailedError,
    ModelUnavailableError,
    ParallelPatternError,
    SetupError,
    UndecidedError,
)
from langgraph_parallel.graphs.embedding import as_node, as_tool, remote_branch
from langgraph_parallel.graphs.guardrail import build_guardrail, create_guardrail
from langgraph_parallel.graphs.resuming import aresume, resume
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
    "aresume",
    "as_node",
    "as_tool",
    "at_least",
    "beta",
    "borda",
    "build_guardrail",
    "build_sectioning",
    "build_voting",
    "create_guardrail",
    "create_sectioning",
    "create_voting",
    "first_to",
    "fixed",
    "instant_runoff",
    "join",
    "majority",
    "median",
    "merge",
    "panel_statistics",
    "plurality",
    "quorum",
    "remote_branch",
    "resume",
    "settled",
    "synthesize",
    "trimmed_mean",
    "unanimous_or",
    "weighted",
]
