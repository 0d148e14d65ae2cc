"""The nodes of the voting pattern."""

from dataclasses import replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Send
from pydantic import BaseModel

from langgraph_parallel.aggregators.ballots import Reading
from langgraph_parallel.aggregators.counting import count
from langgraph_parallel.errors import BranchFailedError, UndecidedError
from langgraph_parallel.nodes.branch import BranchResult, check_names
from langgraph_parallel.nodes.cache import remembered
from langgraph_parallel.nodes.calls import ask, plain, run
from langgraph_parallel.nodes.dispatch import (
    Round,
    close_dispatch,
    find_live,
    new_dispatch,
    no_dispatch,
    open_live,
)
from langgraph_parallel.nodes.keys import DISPATCH, NEXT, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.models import get_model
from langgraph_parallel.nodes.prompts import render
from langgraph_parallel.nodes.report import make_report, results_of
from langgraph_parallel.nodes.run import Parcel, Task, default_for, make_task, run_branch
from langgraph_parallel.nodes.settings import Configure, configured
from langgraph_parallel.nodes.tally import (
    counted,
    is_settled,
    readable,
    round_size,
    voting_report,
)
from langgraph_parallel.nodes.voter import VotingSpec

FAN_OUT, TALLY = "fan_out", "tally"


class VotingNodes:
    """Fan-out, voters and tally of one voting graph."""

    def __init__(
        self,
        spec: VotingSpec,
        keys: Keys,
        limiter: Limiter,
        configure: Configure[VotingSpec] | None,
        context_schema: type[Any] | None,
    ) -> None:
        self.spec = spec
        self.keys = keys
        self.limiter = limiter
        self.configure = configure
        self.context_schema = context_schema
        reserved = [*OWN_KEYS, keys.input, keys.output, FAN_OUT, TALLY]
        check_names("voter", [voter.name for voter in spec.voters], reserved)

    async def fan_out(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Open a dispatch, or the next round of one; where there is nothing to do, answer."""
        if self.keys.is_nothing(state):
            none = Round(**no_dispatch(), round=0, first=0, count=0)
            spec = self._spec(runtime)
            report = voting_report(spec, none, [], spec.decide([], spec.size))
            return {**self.keys.write_nothing(spec.default), REPORT: report}
        self.keys.read(state)
        coming: Round | None = state.get(NEXT)
        if coming is not None:
            return {DISPATCH: coming}
        spec = self._spec(runtime)
        first = round_size(spec, {}, 0, 0)
        return {
            DISPATCH: {**new_dispatch(run_limit(config)), "round": 1, "first": 0, "count": first}
        }

    async def route(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> list[Send]:
        """Send the round's ballots to their voters, round robin over a panel."""
        if self.keys.is_nothing(state):
            return []
        spec = self._spec(runtime)
        value = self.keys.read(state)
        dispatch: Round = state[DISPATCH]
        default = await default_for(spec.voters, spec.model)
        sends = []
        for index in range(dispatch["first"], dispatch["first"] + dispatch["count"]):
            voter = spec.voters[index % len(spec.voters)]
            task = make_task(index, replace(voter, prompt=spec.prompt(voter)), default, value)
            sends.append(Send(voter.name, Parcel(dispatch=dispatch, tasks=[task])))
        return sends

    async def branch(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Cast one ballot; the output is its reading."""
        spec = self._spec(runtime)
        dispatch = parcel["dispatch"]
        (task,) = parcel["tasks"]
        voter = spec.voters[task["index"] % len(spec.voters)]
        chosen = voter.model if voter.model is not None else spec.model

        async def work(config: RunnableConfig) -> dict[str, Any]:
            if task["prompt"] is None:
                reply = plain(await run(voter.run, task["input"], config, runtime))
            else:
                schema = spec.schema(voter)
                reply = await remembered(
                    lambda model: _ask(model, task, schema, config),
                    await get_model(chosen if isinstance(chosen, BaseChatModel) else task["model"]),
                    pattern="voting",
                    task=task,
                    schema=schema,
                    sample=task["index"],
                    config=config,
                    meter=meter,
                )
            return vars(reply if isinstance(reply, Reading) else spec.read(reply))

        meter = Meter()
        live = find_live(dispatch)
        result = await run_branch(
            task,
            work,
            dispatch=dispatch,
            live=live,
            config=config,
            runtime=runtime,
            limiter=self.limiter,
            retries=spec.retries,
            timeout=voter.timeout,
            settled=live.settled if live else None,
            meter=meter,
        )
        if live:
            live.outcomes[task["index"]] = result
            if is_settled(spec, live.outcomes):
                live.settled.set()
        return {RESULTS: [result]}

    async def tally(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Count the ballots; decide, or ask for another round.

        Raises:
            BranchFailedError: Every call failed.
            UndecidedError: There is no decision and `on_undecided` is `"raise"`.
        """
        spec = self._spec(runtime)
        dispatch: Round = state[DISPATCH]
        results = results_of(state, RESULTS, dispatch)
        ballots = counted(spec, readable(results, spec.voters))
        counts = count(ballots)
        more = round_size(spec, counts, len(ballots), len(results))
        if (live := find_live(dispatch)) and live.is_over(self.limiter.deadline):
            more = 0
        is_hopeless = not more or not spec.is_panel
        if is_hopeless and not any(result["status"] == "ok" for result in results):
            if find_live(dispatch) is None:  # a run that goes on after this error: ask again
                open_live(dispatch, run_limit(config))
                return {NEXT: dispatch}
            close_dispatch(dispatch)
            raise BranchFailedError(
                f"All {len(results)} votes failed. The first: {results[0]['error']}",
                make_report("voting", dispatch, results),
            )
        if more:
            coming = dispatch.copy()
            coming["round"] += 1
            coming["first"] += coming["count"]
            coming["count"] = more
            return {NEXT: coming}
        close_dispatch(dispatch)
        decision = spec.decide(ballots, spec.size)
        report = voting_report(spec, dispatch, results, decision)
        if not decision.decided and spec.default is None and spec.on_undecided == "raise":
            raise UndecidedError(
                f"The vote ended without a decision: {counts or 'no readable ballot'} from "
                f"{len(results)} calls. Ask more voters, choose another rule, or set "
                "on_undecided='abstain' or a default.",
                report,
            )
        output = decision.value if decision.decided else spec.default
        return {**self.keys.write(output), REPORT: report}

    async def after_tally(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> str:
        """Go round again, or end."""
        return FAN_OUT if state.get(NEXT) is not None else END

    def _spec(self, runtime: Runtime[Any]) -> VotingSpec:
        return configured(self.spec, self.configure, self.context_schema, runtime)


async def _ask(
    model: BaseChatModel, task: Task, schema: type[BaseModel] | None, config: RunnableConfig
) -> Any:
    """Ask for a ballot: structured where the model can, else as text."""
    messages = render(task["prompt"] or "", task["input"])
    try:
        return plain(await ask(model, messages, schema, config))
    except NotImplementedError:
        return plain(await ask(model, messages, None, config))
    except ValueError as error:  # the reply does not fit the schema
        return Reading(unreadable=str(error).splitlines()[0][:200])
