"""The nodes of the guardrail pattern."""

import logging
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Send

from langgraph_parallel.errors import BranchFailedError, GuardrailTripped
from langgraph_parallel.nodes.answering import Writer
from langgraph_parallel.nodes.branch import BranchResult, check_names
from langgraph_parallel.nodes.dispatch import (
    Dispatch,
    close_dispatch,
    find_live,
    new_dispatch,
    no_dispatch,
    open_live,
)
from langgraph_parallel.nodes.findings import (
    act_on_verdict,
    denial_of_answer,
    failures,
    finding,
    guard_input,
    guard_report,
    raised_by,
    verdict_of,
)
from langgraph_parallel.nodes.guard import RESPOND, rewriters
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec, blocked_message
from langgraph_parallel.nodes.judging import judge
from langgraph_parallel.nodes.keys import DISPATCH, NEXT, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.meter import Meter, add_usage
from langgraph_parallel.nodes.refusing import make_refusal, show_refusal
from langgraph_parallel.nodes.report import make_report, results_of
from langgraph_parallel.nodes.report_types import TotalUsage
from langgraph_parallel.nodes.rewriting import Rewriting, last_rewrite, value_to_rewrite
from langgraph_parallel.nodes.run import Parcel, default_for, make_task, run_branch
from langgraph_parallel.nodes.settings import Configure, configured

FAN_OUT, VERDICT = "fan_out", "verdict"
_log = logging.getLogger(__name__)


class GuardrailNodes:
    """Fan-out, guards, response and verdict of one guardrail graph."""

    def __init__(
        self,
        spec: GuardrailSpec,
        keys: Keys,
        limiter: Limiter,
        configure: Configure[GuardrailSpec] | None,
        context_schema: type[Any] | None,
    ) -> None:
        self.spec = spec
        self.keys = keys
        self.limiter = limiter
        self.configure = configure
        self.context_schema = context_schema
        reserved = [*OWN_KEYS, keys.input, keys.output, FAN_OUT, VERDICT, RESPOND]
        self.output_limiter = Limiter(limiter.max_concurrency)
        if spec.guards or not spec.output_guards:
            check_names("guard", [guard.name for guard in spec.guards], reserved)
        if spec.output_guards:
            check_names("output guard", [guard.name for guard in spec.output_guards], reserved)

    async def fan_out(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Open a dispatch; without guards of the input it has passed from the start.

        Where there is nothing to do, answer at once.
        """
        spec = self._spec(runtime)
        if self.keys.is_nothing(state):
            report = {**make_report("guardrail", no_dispatch(), []), **guard_report(spec, [])}
            return {**self.keys.empty(""), REPORT: {**report, "verdict": "passed"}}
        value = self.keys.read(state)
        dispatch = new_dispatch(run_limit(config))
        if not spec.guards:
            return {DISPATCH: Dispatch(**{**dispatch, "passed": True})}
        if live := find_live(dispatch):
            live.rewriting = Rewriting(value, rewriters(spec.guards))
            if spec.policy.audits:
                act_on_verdict(spec, live)
        return {DISPATCH: dispatch}

    async def route(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send]:
        """Start the guards and, unless they go first, the answer.

        The answer is sent last: where few branches may run at once, it must not keep the guards
        from the verdict that it waits for.
        """
        if self.keys.is_nothing(state):
            return []
        spec = self._spec(runtime)
        value = self.keys.read(state)
        dispatch: Dispatch = state[DISPATCH]
        default = await default_for([*spec.guards, spec.answer], spec.model)
        tasks = [
            make_task(index, guard, default, guard_input(guard, value))
            for index, guard in enumerate(spec.guards)
        ]
        sends = [Send(task["name"], Parcel(dispatch=dispatch, tasks=[task])) for task in tasks]
        if spec.mode == "parallel" or not tasks:
            sends.append(await self._send_answer(spec, dispatch, value))
        return sends

    async def guard(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Run one guard; with the verdict that it completes, release or end the answer."""
        spec = self._spec(runtime)
        (task,) = parcel["tasks"]
        index = task["index"]
        guard = spec.guards[index]
        live = find_live(parcel["dispatch"])
        rewriting: Rewriting | None = live.rewriting if live else None

        async def work(config: RunnableConfig) -> dict[str, Any]:
            if live:
                live.begun.add(index)
                if len(live.begun) == len(spec.guards):
                    live.all_begun.set()
            value = task["input"]
            if guard.rewrites:
                value = value_to_rewrite(spec, guard, index, rewriting, value)
            chosen = guard.model if guard.model is not None else spec.model
            model = chosen if isinstance(chosen, BaseChatModel) else task["model"]
            return await judge(guard, value, model, config, runtime, kept=(task, meter))

        meter = Meter()
        try:
            result = await run_branch(
                task,
                work,
                dispatch=parcel["dispatch"],
                live=live,
                config=config,
                runtime=runtime,
                limiter=self.limiter,
                retries=spec.retries,
                timeout=guard.timeout,
                settled=live.settled if live else None,
                after=rewriting.turn(index) if rewriting else None,
                meter=meter,
            )
            if live:
                live.outcomes[index] = finding(result)
                if rewriting:
                    rewriting.finish(index, result["output"])
                act_on_verdict(spec, live)
        except BaseException:  # such as an interrupt: there is no verdict to wait for in this run
            if live:
                live.denied.set()
                live.stale.set()
                close_dispatch(parcel["dispatch"])
            raise
        return {RESULTS: [result]}

    async def respond(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Write the answer, and hold it back until the verdict.

        In a run that goes on in another process the guards cannot be heard from here: then the
        answer is put off until they are done.
        """
        dispatch = parcel["dispatch"]
        live = find_live(dispatch)
        if live is None and not dispatch.get("passed"):
            return {RESULTS: []}
        spec = self._spec(runtime)
        writer = Writer(spec, dispatch, live, self.limiter, self.output_limiter, config, runtime)
        return {RESULTS: await writer.write(parcel["tasks"])}

    async def verdict(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Give the answer or the refusal; start the answer if it has waited for the guards.

        Raises:
            BranchFailedError: The guards passed the input, but the answer failed; or a guard whose
                failure is to be raised failed; or the refusal.
            GuardrailTripped: The guards denied, and that is to be raised.
        """
        spec = self._spec(runtime)
        dispatch: Dispatch = state[DISPATCH]
        results = results_of(state, RESULTS, dispatch)
        answer = next((result for result in results if result["index"] == len(spec.guards)), None)
        verdict = verdict_of(spec, results)
        if verdict == "passed" and _is_to_be_written(answer, dispatch):
            open_live(dispatch, run_limit(config))
            return {NEXT: {**dispatch, "passed": True}}
        close_dispatch(dispatch)
        report: dict[str, Any] = {
            **make_report("guardrail", dispatch, results),
            **guard_report(spec, results),
        }
        if verdict == "passed" and answer and answer["status"] == "ok":
            return {**self.keys.write(answer["output"], answer.get("message_id")), REPORT: report}
        failed = raised_by(spec, results)
        if failed is not None or verdict == "passed":
            raise BranchFailedError(_failure(failed, answer), report)
        if spec.on_block == "raise":
            raise GuardrailTripped(blocked_message(report), report)
        if verdict != "blocked":
            _log.warning("A guardrail refused, as guards could not judge: %s", failures(report))
        refusal, used = await make_refusal(spec.refusal, report, config, runtime)
        total = report["usage"]
        report["usage"] = TotalUsage(**add_usage(total, used), cancelled=total["cancelled"])
        denial = denial_of_answer(spec, results)
        begun = denial["released"] if denial else ""
        message_id = answer.get("message_id") if answer else None
        refusal, message_id = await show_refusal(refusal, begun, message_id, config)
        return {**self.keys.write(refusal, message_id), REPORT: report}

    async def after_verdict(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send] | str:
        """Start an answer that has waited for the guards, or end."""
        passed: Dispatch | None = state.get(NEXT)
        if passed is None:
            return END
        spec = self._spec(runtime)
        results = results_of(state, RESULTS, passed)
        guards = [result for result in results if result["index"] < len(spec.guards)]
        value = last_rewrite(guards, self.keys.read(state))
        return [await self._send_answer(spec, passed, value)]

    async def _send_answer(self, spec: GuardrailSpec, dispatch: Dispatch, value: Any) -> Send:
        """Start the answer; the output guards' tasks go with it."""
        default = await default_for([spec.answer, *spec.output_guards], spec.model)
        branches = enumerate([spec.answer, *spec.output_guards], start=len(spec.guards))
        tasks = [
            make_task(index, branch, default, None if index > len(spec.guards) else value)
            for index, branch in branches
        ]
        return Send(RESPOND, Parcel(dispatch=dispatch, tasks=tasks))

    def _spec(self, runtime: Runtime[Any]) -> GuardrailSpec:
        return configured(self.spec, self.configure, self.context_schema, runtime)


def _is_to_be_written(answer: BranchResult | None, dispatch: Dispatch) -> bool:
    if answer is None:
        return True
    is_put_off = answer["status"] == "cancelled"
    # A run that goes on after an answer that failed: the answer is written again.
    return is_put_off or (answer["status"] != "ok" and not find_live(dispatch))


def _failure(guard: BranchResult | None, answer: BranchResult | None) -> str:
    if guard is not None:
        return f"Guard {guard['name']!r} failed ({guard['status']}): {guard['error']}"
    failed = answer or {"status": "cancelled", "error": None}
    return (
        f"The guards passed the input, but the answer failed ({failed['status']}): "
        f"{failed['error']}"
    )
