"""The report of a sectioning run, and which failures leave no answer."""

from collections.abc import Sequence
from typing import Any

from langgraph_parallel.nodes.attempt import Outcome
from langgraph_parallel.nodes.branch import BranchResult, Usage
from langgraph_parallel.nodes.dispatch import Dispatch
from langgraph_parallel.nodes.report import make_report
from langgraph_parallel.nodes.section import Section, SectioningSpec

GO_ON = "Set required=False or min_success to go on without a section."
"""What can be done about failures that leave no answer."""


def sectioning_report(
    dispatch: Dispatch,
    results: Sequence[BranchResult],
    aggregate: Outcome | None = None,
    used: Usage | None = None,
) -> dict[str, Any]:
    """Make the report of a sectioning run.

    Args:
        dispatch: The run's dispatch.
        results: Of all sections, by index.
        aggregate: How the aggregate ended, if it was begun.
        used: What the aggregate consumed.
    """
    report: dict[str, Any] = {
        **make_report("sectioning", dispatch, results, used),
        "failed": [r["name"] for r in results if r["status"] in {"error", "timeout"}],
        "skipped": [r["name"] for r in results if r["status"] == "cancelled"],
    }
    if aggregate is not None and aggregate.started is not None:
        report["aggregate"] = {
            "status": aggregate.status,
            "started": round(max(aggregate.started - dispatch["started"], 0.0), 4),
            "seconds": round(max(aggregate.ended - aggregate.started, 0.0), 4),
        }
    return report


def fatal_failures(
    spec: SectioningSpec, sections: Sequence[Section], results: Sequence[BranchResult]
) -> list[BranchResult] | None:
    """Give the failures for which there can be no answer; `None` if there can be one."""
    bad = [result for result in results if result["status"] != "ok"]
    if spec.min_success is None:
        return [result for result in bad if sections[result["index"]].required] or None
    return bad if len(results) - len(bad) < spec.min_success else None


def failure_text(
    spec: SectioningSpec, fatal: Sequence[BranchResult], results: Sequence[BranchResult]
) -> str:
    """Say which failures leave no answer."""
    if spec.min_success is None:
        what = "A required section failed" if len(fatal) == 1 else "Required sections failed"
    else:
        good = sum(result["status"] == "ok" for result in results)
        what = f"{good} of the {spec.min_success} sections needed succeeded"
    reasons = [f"{r['name']} ({r['status']}): {str(r['error']).rstrip('.')}" for r in fatal]
    return f"{what}. {'; '.join(reasons)}."
