"""Judges an answer before it is released: several guards on one text after another."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.aggregators.verdict import Finding, Verdict
from langgraph_parallel.nodes.attempt import Outcome, attempt
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Dispatch
from langgraph_parallel.nodes.guard import rewriters
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec
from langgraph_parallel.nodes.hold import DeniedError
from langgraph_parallel.nodes.judging import judge
from langgraph_parallel.nodes.limits import Limiter
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.run import Task, branch_result, child_config

_GRAVITY: tuple[Finding | None, ...] = (None, "passed", "timed_out", "failed", "tripped")


class OutputJudge:
    """Asks the output guards about texts, and keeps one result per guard over all of them."""

    def __init__(
        self,
        spec: GuardrailSpec,
        tasks: Sequence[Task],
        *,
        dispatch: Dispatch,
        limiter: Limiter,
        config: RunnableConfig,
        runtime: Runtime[Any],
    ) -> None:
        """Prepare to judge one answer.

        Args:
            spec: The guardrail's options.
            tasks: The tasks of the output guards.
            dispatch: The dispatch that they belong to.
            limiter: Bounds their calls in flight.
            config: The node's config.
            runtime: The node's runtime.
        """
        self.verdict: Verdict | None = None
        """The denial, if there was one."""
        self.raised_by: int | None = None
        """Index of the task whose failure is an error of the run."""
        self._spec = spec
        self._tasks = tasks
        self._dispatch = dispatch
        self._limiter = limiter
        self._runtime = runtime
        self._meters = [Meter() for _ in tasks]
        self._configs = [child_config(config, meter) for meter in self._meters]
        self._totals = [Outcome() for _ in tasks]

    async def __call__(self, value: Any) -> Any:
        """Judge a text.

        Guards that rewrite work one after another, the others beside them on the text as it is.

        Args:
            value: The text, or the data of an answer that is none.

        Returns:
            The text as it may leave.

        Raises:
            DeniedError: The guards denied it.
        """
        settled = asyncio.Event()
        findings: list[Finding | None] = [None] * len(self._tasks)
        chain = rewriters(self._spec.output_guards)
        policy = self._spec.output_policy
        left = list(chain)

        async def look(index: int, text: Any) -> Any:
            outcome = await self._ask(index, text, settled)
            findings[index] = _finding(outcome)
            if index in left:
                left.remove(index)
            verdict = policy.verdict(findings)
            if not policy.audits and (verdict not in {None, "passed"} or (verdict and not left)):
                settled.set()
            return outcome.output.get("rewrite", text) if outcome.status == "ok" else text

        async def rewrite() -> Any:
            text = value
            for index in chain:
                text = await look(index, text)
            return text

        others = [look(i, value) for i in range(len(self._tasks)) if i not in chain]
        text, *_ = await asyncio.gather(rewrite(), *others)
        verdict = policy.verdict(findings) or "failed"
        if verdict != "passed":
            self.verdict = verdict
            raised = policy.raised_by(findings)
            self.raised_by = None if raised is None else self._tasks[raised]["index"]
            raise DeniedError
        return text

    def results(self) -> list[BranchResult]:
        """Give a result per guard: its gravest finding, and what all its calls took."""
        return [
            branch_result(task, self._dispatch, total, meter)
            for task, total, meter in zip(self._tasks, self._totals, self._meters, strict=True)
        ]

    async def _ask(self, index: int, value: Any, settled: asyncio.Event) -> Outcome:
        guard, task = self._spec.output_guards[index], self._tasks[index]
        chosen = guard.model if guard.model is not None else self._spec.model
        model = chosen if isinstance(chosen, BaseChatModel) else task["model"]

        async def work() -> dict[str, Any]:
            return await judge(guard, value, model, self._configs[index], self._runtime)

        outcome = await attempt(
            work,
            place=self._limiter.place(),
            retries=self._spec.retries,
            timeout=guard.timeout,
            settled=settled,
        )
        _add(self._totals[index], outcome)
        return outcome


def _add(total: Outcome, outcome: Outcome) -> None:
    """Add what came of one text to what came of those before."""
    is_first = total.started is None
    seconds = 0.0 if total.started is None else total.ended - total.started
    total.attempts += outcome.attempts
    if outcome.started is not None:
        total.started = outcome.started if is_first else total.started
        seconds += outcome.ended - outcome.started
    total.ended = (total.started or 0.0) + seconds
    if is_first or _gravity(outcome) > _gravity(total):
        total.status, total.output, total.error = outcome.status, outcome.output, outcome.error


def _gravity(outcome: Outcome) -> tuple[int, bool]:
    is_rewrite = outcome.status == "ok" and "rewrite" in outcome.output
    return _GRAVITY.index(_finding(outcome)), is_rewrite


def _finding(outcome: Outcome) -> Finding | None:
    if outcome.status == "ok":
        return "tripped" if outcome.output["tripped"] else "passed"
    if outcome.status == "cancelled":
        return None
    return "timed_out" if outcome.status == "timeout" else "failed"
