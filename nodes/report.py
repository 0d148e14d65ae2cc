"""The report: what happened in a run, in one shape for all patterns."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

from langgraph_parallel.nodes.branch import BranchResult, ReportedBranch, Usage
from langgraph_parallel.nodes.dispatch import Dispatch
from langgraph_parallel.nodes.meter import add_usage, no_usage
from langgraph_parallel.nodes.report_types import Report, TotalUsage

_STATE_ONLY = {"dispatch", "message_id", "denied"}


def make_report(
    pattern: str,
    dispatch: Dispatch,
    results: Sequence[BranchResult],
    extra: Usage | None = None,
) -> Report:
    """Make the shared part of a report.

    Args:
        pattern: The pattern's name.
        dispatch: The dispatch whose run is reported.
        results: Results of its branches by index.
        extra: What was consumed outside of branches, such as by a synthesis.
    """
    total = add_usage(_sum(results), extra or no_usage())
    cancelled = _sum(result for result in results if result["status"] == "cancelled")
    branches = [
        {key: part for key, part in result.items() if key not in _STATE_ONLY} for result in results
    ]
    return Report(
        pattern=pattern,
        branches=cast("list[ReportedBranch]", branches),
        usage=TotalUsage(**total, cancelled=cancelled),
        seconds=round(max(time.time() - dispatch["started"], 0.0), 4),
    )


def results_of(state: dict[str, Any], results_key: str, dispatch: Dispatch) -> list[BranchResult]:
    """Give the results of one dispatch by index, without those of an earlier one."""
    results: list[BranchResult] = state.get(results_key) or []
    return [result for result in results if result["dispatch"] == dispatch["id"]]


def _sum(results: Iterable[BranchResult]) -> Usage:
    total = no_usage()
    for result in results:
        total = add_usage(total, result["usage"])
    return total
