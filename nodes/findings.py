"""What guards found: pure functions from their outputs to findings and reports."""

from collections.abc import Sequence
from typing import Any

from langgraph_parallel.aggregators.verdict import Finding
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Live
from langgraph_parallel.nodes.guard import Guard, GuardrailSpec
from langgraph_parallel.nodes.prompts import input_text, is_conversation


def guard_input(guard: Guard, value: Any) -> Any:
    """Show a model a conversation as text: as messages it would go on with it, not judge it."""
    return input_text(value) if guard.prompt is not None and is_conversation(value) else value


def finding(result: BranchResult) -> Finding | None:
    """Give what a guard found; `None` if it was cancelled because it no longer mattered."""
    if result["status"] == "ok":
        return "tripped" if result["output"]["tripped"] else "passed"
    if result["status"] == "cancelled":
        return None
    return "timed_out" if result["status"] == "timeout" else "failed"


def act_on_verdict(spec: GuardrailSpec, live: Live) -> None:
    """Release or end the answer as soon as the verdict cannot change any more."""
    verdict = spec.policy.verdict([live.outcomes.get(i) for i in range(len(spec.guards))])
    if verdict is None:
        return
    (live.released if verdict == "passed" else live.denied).set()
    live.settled.set()
    live.all_begun.set()


def read_finding(output: Any, guard: Guard) -> dict[str, Any]:
    """Read a guard's output.

    Raises:
        TypeError: It is `None`, as that of a vote without a decision; or, where `trip_on` does not
            say which output trips, neither a bool nor a dict with `tripped`.
    """
    reason = None
    if isinstance(output, dict) and "tripped" in output:
        reason, output = output.get("reason"), output["tripped"]
        if isinstance(output, bool):
            return {"tripped": output, "reason": reason}
    if output is None or (guard.trip_on is True and not isinstance(output, bool)):
        raise TypeError(
            f"Guard {guard.name!r} gave {output!r:.80}. Give True when it trips and False when it "
            "passes, or {'tripped': bool, 'reason': str}; or say with trip_on= which output trips."
        )
    return {"tripped": output == guard.trip_on, "reason": reason}


def guard_report(spec: GuardrailSpec, results: Sequence[BranchResult]) -> dict[str, Any]:
    """Make the guardrail's own part of the report."""
    guards = [result for result in results if result["index"] < len(spec.guards)]
    entries = [
        {
            "name": result["name"],
            "finding": finding(result) or "cancelled",
            "reason": result["output"]["reason"] if result["status"] == "ok" else result["error"],
            "seconds": result["seconds"],
            "usage": result["usage"],
        }
        for result in guards
    ]
    denied = [
        entry
        for entry, result in zip(entries, guards, strict=True)
        if (found := finding(result)) is not None and spec.policy.trips(found)
    ]
    ends = [r["started"] + r["seconds"] for r in guards if r["status"] != "cancelled"]
    answer = next((r for r in results if r["index"] == len(spec.guards)), None)
    saved = 0.0
    if answer is not None and answer["status"] == "ok" and ends:
        saved = max(max(ends) - answer["started"], 0.0)
    return {
        "guards": entries,
        "blocked_by": [entry["name"] for entry in denied],
        "reasons": [entry["reason"] for entry in denied if entry["reason"]],
        "seconds_saved": round(min(saved, answer["seconds"]) if answer else 0.0, 4),
    }
