"""The nodes of the guardrail pattern."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Send

from langgraph_parallel.aggregators.ballots import match_option
from langgraph_parallel.aggregators.verdict import Finding
from langgraph_parallel.errors import BranchFailedError
from langgraph_parallel.nodes.branch import BranchResult, check_names
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.dispatch import (
    Dispatch,
    Live,
    close_dispatch,
    find_live,
    new_dispatch,
)
from langgraph_parallel.nodes.guard import RESPOND, Guard, GuardrailSpec, GuardReply
from langgraph_parallel.nodes.hold import Answer, Released, source_config, stream_of
from langgraph_parallel.nodes.keys import DISPATCH, NEXT, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import input_text, is_conversation, render
from langgraph_parallel.nodes.report import make_report, results_of
from langgraph_parallel.nodes.run import Parcel, Task, default_for, make_task, run_branch
from langgraph_parallel.nodes.settings import Configure, configured

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
        """Open a dispatch."""
        self.keys.read(state)
        return {DISPATCH: new_dispatch(run_limit(config))}

    async def route(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send]:
        """Start the guards and, unless they go first, the answer.

        The answer is sent last: where few branches may run at once, it must not keep the guards
        from the verdict that it waits for.
        """
        spec = self._spec(runtime)
        value = self.keys.read(state)
        dispatch: Dispatch = state[DISPATCH]
        default = await default_for([*spec.guards, spec.answer], spec.model)
        tasks = [
            make_task(index, guard, default, _guard_input(guard, value))
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
                return _finding(plain(output), guard)
            chosen = guard.model if guard.model is not None else spec.model
            model = await get_model(chosen if isinstance(chosen, BaseChatModel) else task["model"])
            return _finding(await _ask_guard(model, task, guard, config), guard)

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
            )
            if live:
                live.outcomes[task["index"]] = finding(result)
                _act_on_verdict(spec, live)
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
            async with answer.written_by(source):
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
        if verdict == "passed" and is_put_off:
            return {NEXT: {**dispatch, "passed": True}}
        close_dispatch(dispatch)
        report = {**make_report("guardrail", dispatch, results), **_guard_report(spec, results)}
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


def _guard_input(guard: Guard, value: Any) -> Any:
    """Show a model a conversation as text: as messages it would go on with it, not judge it."""
    return input_text(value) if guard.prompt is not None and is_conversation(value) else value


def finding(result: BranchResult) -> Finding | None:
    """Give what a guard found; `None` if it was cancelled because it no longer mattered."""
    if result["status"] == "ok":
        return "tripped" if result["output"]["tripped"] else "passed"
    if result["status"] == "cancelled":
        return None
    return "timed_out" if result["status"] == "timeout" else "failed"


def _act_on_verdict(spec: GuardrailSpec, live: Live) -> None:
    """Release or end the answer as soon as the verdict cannot change any more."""
    verdict = spec.policy.verdict([live.outcomes.get(i) for i in range(len(spec.guards))])
    if verdict is None:
        return
    (live.released if verdict == "passed" else live.denied).set()
    live.settled.set()
    live.all_begun.set()


def _finding(output: Any, guard: Guard) -> dict[str, Any]:
    """Read a guard's output.

    Raises:
        TypeError: It is neither a bool, nor a dict with `tripped`, nor what `trip_on` says.
    """
    reason = None
    if isinstance(output, dict) and "tripped" in output:
        reason, output = output.get("reason"), output["tripped"]
        if isinstance(output, bool):
            return {"tripped": output, "reason": reason}
    if guard.trip_on is True and not isinstance(output, bool):
        raise TypeError(
            f"Guard {guard.name!r} gave {output!r:.80}. Give True when it trips and False when it "
            "passes, or {'tripped': bool, 'reason': str}; or say with trip_on= which output trips."
        )
    return {"tripped": output == guard.trip_on, "reason": reason}


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


def _guard_report(spec: GuardrailSpec, results: Sequence[BranchResult]) -> dict[str, Any]:
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
