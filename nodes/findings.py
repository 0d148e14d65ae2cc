"""What guards found: pure functions from their outputs to findings and reports."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.verdict import Finding, Verdict, VerdictPolicy
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Live
from langgraph_parallel.nodes.guard import Guard
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec
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
    """Release or end the answer as soon as the verdict cannot change any more.

    An answer to an input that has been rewritten since is of no use, and never released.
    """
    rewriting = live.rewriting
    is_rewritten = rewriting is not None and rewriting.is_changed
    is_open = rewriting is not None and not rewriting.done.is_set()
    if is_rewritten and not is_open:
        live.stale.set()
    verdict = spec.policy.verdict([live.outcomes.get(i) for i in range(len(spec.guards))])
    if verdict is None or (verdict == "passed" and is_open):
        return
    if verdict != "passed":
        live.denied.set()
        live.stale.set()
    elif is_rewritten:
        live.released_anew.set()
    else:
        live.released.set()
    live.all_begun.set()
    if not spec.policy.audits:
        live.settled.set()


def guard_report(spec: GuardrailSpec, results: Sequence[BranchResult]) -> dict[str, Any]:
    """Make the guardrail's own part of the report.

    Args:
        spec: The options.
        results: The results of guards and answer by index.
    """
    count = len(spec.guards)
    inputs = [result for result in results if result["index"] < count]
    outputs = [result for result in results if result["index"] > count]
    answer = next((result for result in results if result["index"] == count), None)
    verdict = verdict_of(spec, results)
    if verdict == "passed":
        denials: list[BranchResult] = []
    elif denial_of_answer(spec, results) is not None:
        denials = [r for r in outputs if _denies(spec.output_policy, r, count + 1)]
    else:
        denials = [r for r in inputs if _denies(spec.policy, r, 0)]
    reasons = [_reason(result) for result in denials]
    return {
        "verdict": verdict,
        "guards": [_entry(result) for result in inputs],
        "output_guards": [_entry(result) for result in outputs],
        "blocked_by": [result["name"] for result in denials],
        "reasons": [reason for reason in reasons if reason],
        "seconds_saved": _saved(inputs, answer),
    }


def failures(report: Mapping[str, Any]) -> str:
    """Say which guards could not judge, and why."""
    entries = [*report["guards"], *report["output_guards"]]
    failed = [entry for entry in entries if entry["finding"] in {"failed", "timed_out"}]
    return "; ".join(f"{entry['name']}: {entry['reason']}" for entry in failed)


def verdict_of(spec: GuardrailSpec, results: Sequence[BranchResult]) -> Verdict:
    """Give the verdict of all guards: of the input, then of the answer."""
    denial = denial_of_answer(spec, results)
    if denial is not None:
        verdict: Verdict = denial["verdict"]
        return verdict
    return _verdict_on_input(spec, results) or "failed"


def denial_of_answer(spec: GuardrailSpec, results: Sequence[BranchResult]) -> dict[str, Any] | None:
    """Give how the output guards denied the answer, if that is what the verdict rests on."""
    if _verdict_on_input(spec, results) not in {None, "passed"}:
        return None
    return next((result["denied"] for result in results if "denied" in result), None)


def raised_by(spec: GuardrailSpec, results: Sequence[BranchResult]) -> BranchResult | None:
    """Give the guard whose failure is an error of the run, if there is one."""
    denial = denial_of_answer(spec, results)
    if denial is not None:
        index = denial["raised_by"]
    else:
        index = spec.policy.raised_by(_findings(spec, results))
    return next((result for result in results if result["index"] == index), None)


def _verdict_on_input(spec: GuardrailSpec, results: Sequence[BranchResult]) -> Verdict | None:
    return spec.policy.verdict(_findings(spec, results)) if spec.guards else "passed"


def _findings(spec: GuardrailSpec, results: Sequence[BranchResult]) -> list[Finding | None]:
    return [finding(result) for result in results if result["index"] < len(spec.guards)]


def _denies(policy: VerdictPolicy, result: BranchResult, first: int) -> bool:
    found = finding(result)
    return found is not None and policy.trips(result["index"] - first, found)


def _entry(result: BranchResult) -> dict[str, Any]:
    found = finding(result) or "cancelled"
    is_rewrite = found == "passed" and "rewrite" in result["output"]
    return {
        "name": result["name"],
        "finding": "rewritten" if is_rewrite else found,
        "reason": _reason(result),
        "seconds": result["seconds"],
        "usage": result["usage"],
    }


def _reason(result: BranchResult) -> str | None:
    return result["output"]["reason"] if result["status"] == "ok" else result["error"]


def _saved(guards: Sequence[BranchResult], answer: BranchResult | None) -> float:
    """Give the seconds by which the answer's work and the guards' overlapped."""
    ends = [r["started"] + r["seconds"] for r in guards if r["status"] != "cancelled"]
    if answer is None or answer["status"] != "ok" or not ends:
        return 0.0
    return round(min(max(max(ends) - answer["started"], 0.0), answer["seconds"]), 4)
