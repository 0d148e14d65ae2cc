"""Writes the answer of a guardrail, and holds it back as long as it must not leave."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.dispatch import Dispatch, Live
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec
from langgraph_parallel.nodes.hold import Answer, BrokenAnswerError, DeniedError, Released
from langgraph_parallel.nodes.idle import freeing_place
from langgraph_parallel.nodes.limits import Limiter
from langgraph_parallel.nodes.meter import Meter, add_usage
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.output_judge import OutputJudge
from langgraph_parallel.nodes.outputs import judged
from langgraph_parallel.nodes.permit import permit_after
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.run import Task, run_branch
from langgraph_parallel.nodes.source import Whole, piece_text, source_config, stream_of
from langgraph_parallel.nodes.tracing import end_cancelled_calls


@dataclass(frozen=True)
class Hold:
    """What an answer waits for, and what ends it."""

    passed: asyncio.Event | None = None
    """Set when the guards have passed its input; `None` if they already have."""
    ended: asyncio.Event | None = None
    """Set when the answer is of no use any more."""
    after: asyncio.Event | None = None
    """What it waits for before it takes a place: else it could take that of a guard."""


@dataclass(frozen=True)
class Writer:
    """Writes the answer of one run."""

    spec: GuardrailSpec
    dispatch: Dispatch
    live: Live | None
    limiter: Limiter
    output_limiter: Limiter
    """Bounds the output guards: they work while the answer has its place."""
    config: RunnableConfig
    runtime: Runtime[Any]

    async def write(self, tasks: Sequence[Task]) -> list[BranchResult]:
        """Write the answer, and once more if its input is rewritten meanwhile.

        Args:
            tasks: The tasks of the answer and of the output guards.

        Returns:
            Their results.
        """
        task, *output_tasks = tasks
        live = self.live
        if live is None or self.dispatch.get("passed"):
            return await self._write(task, output_tasks, Hold())
        hold = Hold(live.released, live.stale, live.all_begun)
        results = await self._write(task, output_tasks, hold)
        rewriting = live.rewriting
        if results[0]["status"] != "ok" and not live.denied.is_set():
            await _first(rewriting.done, live.stale)
        if rewriting.is_changed and not live.denied.is_set():
            discarded, hold = results, Hold(live.released_anew, live.denied)
            task = Task(**{**task, "input": rewriting.value})
            results = await self._write(task, output_tasks, hold)
            for before, result in zip(discarded, results, strict=True):
                result["usage"] = add_usage(before["usage"], result["usage"])
                result["attempts"] += before["attempts"]
        if "denied" in results[0] and not self.spec.policy.audits:
            live.settled.set()
        return results

    async def _write(
        self, task: Task, output_tasks: Sequence[Task], hold: Hold
    ) -> list[BranchResult]:
        spec, config = self.spec, self.config
        meter = Meter()
        judge = OutputJudge(
            spec,
            output_tasks,
            dispatch=self.dispatch,
            limiter=self.output_limiter,
            config=config,
            runtime=self.runtime,
        )
        released: list[Released] = []

        async with permit_after(hold.passed) as permit:

            async def work(_: RunnableConfig) -> Any:
                permit.enter()
                answer = Answer(spec.max_held)
                source = self._source(task, config, meter)
                if output_tasks:
                    source = judged(source, judge, spec)
                gate = None if spec.release == "immediately" else hold.passed
                released.append(Released(answer, gate))
                try:
                    async with answer.written_by(freeing_place(source, gate, spec.max_held)):
                        await released[-1].pass_on(render("", task["input"])[1:], config)
                except DeniedError:
                    return None
                if hold.passed is not None and judge.verdict is None:
                    await hold.passed.wait()  # what is in a result is in checkpoints
                if judge.verdict is None:
                    await _keep(answer)
                return answer.output

            result = await run_branch(
                task,
                work,
                dispatch=self.dispatch,
                live=self.live,
                config=config,
                runtime=self.runtime,
                limiter=self.limiter,
                retries=spec.retries,
                timeout=spec.timeout,
                settled=hold.ended,
                after=hold.after,
                meter=meter,
            )
        if judge.verdict is not None:
            result["status"], result["output"] = "cancelled", None
            result["error"] = "The output guards denied it."
            left = released[-1].left if hold.passed is None or hold.passed.is_set() else ""
            result["denied"] = {
                "verdict": judge.verdict,
                "raised_by": judge.raised_by,
                "released": left,
            }
        if released:
            result["message_id"] = released[-1].message_id
        return [result, *judge.results()]

    async def _source(self, task: Task, config: RunnableConfig, meter: Meter) -> AsyncIterator[Any]:
        config = source_config(config, meter)
        if task["prompt"] is None:
            pieces = stream_of(self.spec.respond, task["input"], config, self.runtime)
        else:
            own = self.spec.model
            model = await get_model(own if isinstance(own, BaseChatModel) else task["model"])
            pieces = model.astream(render(task["prompt"], task["input"]), config)
        try:
            async with aclosing(pieces):  # type: ignore[type-var]
                async for piece in pieces:
                    if not isinstance(piece, Whole) and piece_text(piece):
                        meter.note_token()
                    yield piece
        finally:
            await end_cancelled_calls(meter, config.get("callbacks"))


async def _keep(answer: Answer) -> None:
    """Let an agent remember its answer.

    Raises:
        BrokenAnswerError: It cannot; a retry would repeat what has left.
    """
    try:
        if answer.keep is not None:
            await answer.keep()
    except Exception as error:
        raise BrokenAnswerError(f"The answer could not be remembered: {error}") from error


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of several events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
