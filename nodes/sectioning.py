"""The nodes of the sectioning pattern."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.types import Command, Send

from langgraph_parallel.aggregators.types import SectionResult
from langgraph_parallel.errors import BranchFailedError
from langgraph_parallel.nodes.attempt import attempt
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.cache import remembered
from langgraph_parallel.nodes.calls import ask, consult, is_async, plain, run
from langgraph_parallel.nodes.dispatch import (
    Dispatch,
    close_dispatch,
    find_live,
    new_dispatch,
    no_dispatch,
    open_live,
)
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.keys import DISPATCH, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.masking import shown_cause
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import ModelLike, get_model
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.report import results_of
from langgraph_parallel.nodes.run import (
    Parcel,
    Task,
    child_config,
    default_for,
    make_task,
    run_branch,
)
from langgraph_parallel.nodes.section import Section, SectioningSpec, check_sections
from langgraph_parallel.nodes.sectioning_report import (
    GO_ON,
    failure_text,
    fatal_failures,
    sectioning_report,
)
from langgraph_parallel.nodes.settings import Configure, configured
from langgraph_parallel.nodes.threads import in_thread

FAN_OUT, REDUCE, SECTION = "fan_out", "reduce", "section"
SENDS = 64
"""Most `Send`s of one dispatch of prompts; more than that share them in chunks."""


class SectioningNodes:
    """Fan-out, branches and reducer of one sectioning graph."""

    def __init__(
        self,
        spec: SectioningSpec,
        keys: Keys,
        limiter: Limiter,
        configure: Configure[SectioningSpec] | None,
        context_schema: type[Any] | None,
        *,
        goes_back: bool = True,
    ) -> None:
        """Make the nodes.

        Args:
            spec: The options.
            keys: The state keys.
            limiter: Bounds the calls and the time.
            configure: See `configured`.
            context_schema: Class of the run's context.
            goes_back: Whether a run that goes on may run failed sections again; where Temporal
                runs the nodes, it repeats them itself.
        """
        self.spec = spec
        self.keys = keys
        self.limiter = limiter
        self.configure = configure
        self.context_schema = context_schema
        self.goes_back = goes_back
        if not callable(spec.sections):
            check_sections(spec.sections, [*OWN_KEYS, keys.input, keys.output, FAN_OUT, REDUCE])

    @property
    def branch_nodes(self) -> list[str]:
        """Names of the nodes that run sections: their own, or one for a dynamic fan-out."""
        if callable(self.spec.sections):
            return [SECTION]
        return [section.name for section in self.spec.sections]

    async def fan_out(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Open a dispatch; where there is nothing to do, answer at once."""
        if self.keys.is_nothing(state):
            spec = self._spec(runtime)
            output = await consult(
                spec.aggregate, [], model=spec.model, config=config, runtime=runtime, input=[]
            )
            report = sectioning_report(no_dispatch(), [])
            return {**self.keys.empty(plain(output)), REPORT: report}
        sections = await self._sections(self.keys.read(state), runtime)
        dispatch = new_dispatch(run_limit(config))
        if live := find_live(dispatch):
            live.branches = sections
        return {DISPATCH: dispatch}

    async def route(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send] | str:
        """Send each section to its node; without any, go on to the reducer."""
        if self.keys.is_nothing(state):
            return []
        value = self.keys.read(state)
        dispatch: Dispatch = state[DISPATCH]
        sections = await self._dispatched(dispatch, value, runtime)
        if not sections:
            return REDUCE
        return await self._sends(dispatch, value, sections, range(len(sections)), runtime)

    async def branch(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Run the sections of one parcel."""
        runs = (self._run(task, parcel, config, runtime) for task in parcel["tasks"])
        return {RESULTS: list(await asyncio.gather(*runs))}

    async def reduce(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any] | Command[Any]:
        """Merge the results into the answer and the report.

        When a run goes on that has ended in an error, what failed in it is run again.

        Raises:
            BranchFailedError: A required section failed, too few succeeded, or the aggregate did.
        """
        spec = self._spec(runtime)
        dispatch: Dispatch = state[DISPATCH]
        value = self.keys.read(state)
        results = results_of(state, RESULTS, dispatch)
        sections = await self._dispatched(dispatch, value, runtime)
        fatal = fatal_failures(spec, sections, results)
        if fatal and self.goes_back and find_live(dispatch) is None:
            open_live(dispatch, run_limit(config)).branches = sections
            again = [result["index"] for result in fatal]
            return Command(goto=await self._sends(dispatch, value, sections, again, runtime))
        live = find_live(dispatch)
        deadline = live.deadline(self.limiter.deadline) if live else None
        close_dispatch(dispatch)
        if fatal is not None:
            text = failure_text(spec, fatal, results)
            raise BranchFailedError(text, sectioning_report(dispatch, results), GO_ON)
        good = [
            SectionResult(r["name"], r["output"], r["index"])
            for r in results
            if r["status"] == "ok"
        ]
        meter = Meter()
        outcome = await attempt(
            lambda: consult(
                spec.aggregate,
                good,
                model=spec.model,
                config=child_config(config, meter, stream=True),
                runtime=runtime,
                input=value,
            ),
            place=self.limiter.place(),
            retries=spec.retries,
            deadline=deadline and deadline.with_grace(),
        )
        report = sectioning_report(dispatch, results, outcome, meter.usage())
        if (error := outcome.error) is not None:
            cause = error if isinstance(error, BaseException) else None
            raise BranchFailedError(
                f"The aggregate failed: {explain(cause) if cause else error} The sections' "
                "results are in the report of this error.",
                report,
            ) from cause and shown_cause(cause)
        message_id = outcome.output.id if isinstance(outcome.output, BaseMessage) else None
        return {**self.keys.write(plain(outcome.output), message_id), REPORT: report}

    async def _sends(
        self,
        dispatch: Dispatch,
        value: Any,
        sections: Sequence[Section],
        indices: Iterable[int],
        runtime: Runtime[Any],
    ) -> list[Send]:
        default = await default_for(sections, self._spec(runtime).model)
        tasks = []
        for i in indices:
            own = sections[i].input
            tasks.append(make_task(i, sections[i], default, value if own is None else own))
        if not callable(self.spec.sections):
            return [Send(task["name"], Parcel(dispatch=dispatch, tasks=[task])) for task in tasks]
        # Graphs that are called in one node share a place in the checkpoints, in order of call.
        may_share = all(sections[task["index"]].run is None for task in tasks)
        size = -(-len(tasks) // SENDS) if may_share else 1
        sends = []
        for at in range(0, len(tasks), size):
            parcel = Parcel(dispatch=dispatch, tasks=tasks[at : at + size])
            if not all(_is_plain(sections[task["index"]], default) for task in parcel["tasks"]):
                parcel["input"] = value
            sends.append(Send(SECTION, parcel))
        return sends

    def _spec(self, runtime: Runtime[Any]) -> SectioningSpec:
        return configured(self.spec, self.configure, self.context_schema, runtime)

    async def _sections(self, value: Any, runtime: Runtime[Any]) -> list[Section]:
        """Give the sections of this run, from the function if they are dynamic."""
        sections = self._spec(runtime).sections
        if not callable(sections):
            return list(sections)
        made = sections(value) if is_async(sections) else await in_thread(sections, value)
        made = list(await made if isinstance(made, Awaitable) else made)
        if made:
            check_sections(made)
        return made

    async def _dispatched(
        self, dispatch: Dispatch, value: Any, runtime: Runtime[Any]
    ) -> list[Section]:
        """Give the sections of a dispatch; made anew if it was opened in another process."""
        live = find_live(dispatch)
        return live.branches if live else await self._sections(value, runtime)

    async def _section(self, task: Task, parcel: Parcel, runtime: Runtime[Any]) -> Section:
        """Find the section of a task; of a dynamic one that is plain, the task says it all."""
        if callable(self.spec.sections) and "input" not in parcel:
            timeout = None
            if live := find_live(parcel["dispatch"]):
                timeout = live.branches[task["index"]].timeout
            return Section(task["name"], task["prompt"], model=task["model"], timeout=timeout)
        sections = await self._dispatched(parcel["dispatch"], parcel.get("input"), runtime)
        return replace(sections[task["index"]], prompt=task["prompt"])

    async def _run(
        self, task: Task, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> BranchResult:
        spec = self._spec(runtime)
        section = await self._section(task, parcel, runtime)
        chosen = section.model if section.model is not None else spec.model

        async def work(config: RunnableConfig) -> Any:
            if section.prompt is None:
                return plain(await run(section.run, task["input"], config, runtime))
            messages = render(section.prompt, task["input"])

            async def asked(model: BaseChatModel) -> Any:
                return plain(await ask(model, messages, section.schema, config))

            return await remembered(
                asked,
                await get_model(chosen if isinstance(chosen, BaseChatModel) else task["model"]),
                pattern="sectioning",
                task=task,
                schema=section.schema,
                config=config,
                meter=meter,
            )

        meter = Meter()
        return await run_branch(
            task,
            work,
            dispatch=parcel["dispatch"],
            live=find_live(parcel["dispatch"]),
            config=config,
            runtime=runtime,
            limiter=self.limiter,
            retries=spec.retries,
            timeout=section.timeout,
            meter=meter,
        )


def _is_plain(section: Section, model: ModelLike) -> bool:
    """Say whether a section is plain data, so that its task says all that it needs."""
    chosen = section.model if section.model is not None else model
    return section.run is None and section.schema is None and not isinstance(chosen, BaseChatModel)
