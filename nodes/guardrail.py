"""The nodes of the guardrail pattern."""

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Send

from langgraph_parallel.aggregators.ballots import match_option
from langgraph_parallel.errors import BranchFailedError
from langgraph_parallel.nodes.branch import BranchResult, check_names
from langgraph_parallel.nodes.cache import remembered
from langgraph_parallel.nodes.calls import ask, plain, run
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
    finding,
    guard_input,
    guard_report,
    read_finding,
)
from langgraph_parallel.nodes.guard import RESPOND, Guard, GuardrailSpec, GuardReply
from langgraph_parallel.nodes.hold import Answer, Released
from langgraph_parallel.nodes.idle import freeing_place
from langgraph_parallel.nodes.keys import DISPATCH, NEXT, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.report import make_report, results_of
from langgraph_parallel.nodes.run import Parcel, Task, default_for, make_task, run_branch
from langgraph_parallel.nodes.settings import Configure, configured
from langgraph_parallel.nodes.source import source_config, stream_of

FAN_OUT, VERDICT = "fan_out", "verdict"


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
        check_names("guard", [guard.name for guard in spec.guards], reserved)

    async def fan_out(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Open a dispatch; where there is nothing to do, answer at once."""
        if self.keys.is_nothing(state):
            own = guard_report(self._spec(runtime), [])
            report = {**make_report("guardrail", no_dispatch(), []), **own, "verdict": "passed"}
            return {**self.keys.empty(""), REPORT: report}
        self.keys.read(state)
        return {DISPATCH: new_dispatch(run_limit(config))}

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
        if spec.mode == "parallel":
            tasks.append(make_task(len(tasks), spec.answer, default, value))
        return [Send(task["name"], Parcel(dispatch=dispatch, tasks=[task])) for task in tasks]

    async def guard(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Run one guard; with the verdict that it completes, release or end the answer."""
        spec = self._spec(runtime)
        (task,) = parcel["tasks"]
        guard = spec.guards[task["index"]]
        live = find_live(parcel["dispatch"])

        async def work(config: RunnableConfig) -> dict[str, Any]:
            if live:
                live.begun.add(task["index"])
                if len(live.begun) == len(spec.guards):
                    live.all_begun.set()
            if task["prompt"] is None:
                output = await run(guard.run, task["input"], config, runtime)
                return read_finding(plain(output), guard)
            chosen = guard.model if guard.model is not None else spec.model
            reply = await remembered(
                lambda model: _ask_guard(model, task, guard, config),
                await get_model(chosen if isinstance(chosen, BaseChatModel) else task["model"]),
                pattern="guardrail",
                task=task,
                schema=guard.schema,
                config=config,
                meter=meter,
            )
            return read_finding(reply, guard)

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
                meter=meter,
            )
            if live:
                live.outcomes[task["index"]] = finding(result)
                act_on_verdict(spec, live)
        except BaseException:  # such as an interrupt: there is no verdict to wait for in this run
            if live:
                live.denied.set()
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
        spec = self._spec(runtime)
        dispatch = parcel["dispatch"]
        (task,) = parcel["tasks"]
        live = find_live(dispatch)
        is_passed = bool(dispatch.get("passed"))
        if live is None and not is_passed:
            return {RESULTS: []}
        released = None if is_passed or live is None else live.released
        message_ids: list[str] = []

        async def work(_: RunnableConfig) -> Any:
            answer = Answer()
            source = self._source(spec, task, source_config(config, meter), runtime)
            async with answer.written_by(freeing_place(source, released)):
                message = await Released(answer, released).ainvoke(
                    render("", task["input"])[1:], config
                )
            message_ids.append(str(message.id))
            return answer.output

        meter = Meter()
        result = await run_branch(
            task,
            work,
            dispatch=dispatch,
            live=live,
            config=config,
            runtime=runtime,
            limiter=self.limiter,
            retries=spec.retries,
            timeout=spec.timeout,
            settled=live.denied if live and not is_passed else None,
            # Else it could take the place of a guard, whose verdict it waits for.
            after=live.all_begun if live and not is_passed else None,
            meter=meter,
        )
        if message_ids:
            result["message_id"] = message_ids[-1]
        return {RESULTS: [result]}

    async def verdict(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Give the answer or the refusal; start the answer if it has waited for the guards.

        Raises:
            BranchFailedError: The guards passed the input, but the answer failed.
        """
        spec = self._spec(runtime)
        dispatch: Dispatch = state[DISPATCH]
        results = results_of(state, RESULTS, dispatch)
        guards = [result for result in results if result["index"] < len(spec.guards)]
        answer = next((result for result in results if result["index"] == len(spec.guards)), None)
        verdict = spec.policy.verdict([finding(result) for result in guards]) or "failed"
        is_put_off = answer is None or answer["status"] == "cancelled"
        # A run that goes on after an answer that failed: the answer is written again.
        is_repeated = answer is not None and answer["status"] != "ok" and not find_live(dispatch)
        if verdict == "passed" and (is_put_off or is_repeated):
            open_live(dispatch, run_limit(config))
            return {NEXT: {**dispatch, "passed": True}}
        close_dispatch(dispatch)
        report = {**make_report("guardrail", dispatch, results), **guard_report(spec, results)}
        report["verdict"] = verdict
        if verdict != "passed" or answer is None:
            refusal = spec.refusal if isinstance(spec.refusal, str) else spec.refusal(report)
            return {**self.keys.write(refusal), REPORT: report}
        if answer["status"] != "ok":
            raise BranchFailedError(
                f"The guards passed the input, but the answer failed ({answer['status']}): "
                f"{answer['error']}",
                report,
            )
        return {**self.keys.write(answer["output"], answer.get("message_id")), REPORT: report}

    async def after_verdict(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send] | str:
        """Start an answer that has waited for the guards, or end."""
        passed: Dispatch | None = state.get(NEXT)
        if passed is None:
            return END
        spec = self._spec(runtime)
        default = await default_for([spec.answer], spec.model)
        task = make_task(len(spec.guards), spec.answer, default, self.keys.read(state))
        return [Send(RESPOND, Parcel(dispatch=passed, tasks=[task]))]

    def _spec(self, runtime: Runtime[Any]) -> GuardrailSpec:
        return configured(self.spec, self.configure, self.context_schema, runtime)

    async def _source(
        self, spec: GuardrailSpec, task: Task, config: RunnableConfig, runtime: Runtime[Any]
    ) -> AsyncIterator[Any]:
        if task["prompt"] is None:
            pieces = stream_of(spec.respond, task["input"], config, runtime)
        else:
            chosen = spec.model if isinstance(spec.model, BaseChatModel) else task["model"]
            model = await get_model(chosen)
            pieces = model.astream(render(task["prompt"], task["input"]), config)
        async for piece in pieces:
            yield piece


async def _ask_guard(model: BaseChatModel, task: Task, guard: Guard, config: RunnableConfig) -> Any:
    prompt = task["prompt"] or ""
    try:
        reply = await ask(model, render(prompt, task["input"]), guard.schema or GuardReply, config)
        return plain(reply)
    except NotImplementedError:  # no structured output
        prompt += "\n\nAnswer with exactly one of: blocked, allowed."
        text = await ask(model, render(prompt, task["input"]), None, config)
        option, why = match_option(text, ["blocked", "allowed"])
        if why is not None:
            raise ValueError(f"The reply {why}.") from None
        return {"tripped": option == "blocked", "reason": None}
