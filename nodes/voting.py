"""The nodes of the voting pattern."""

from contextlib import suppress
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Send

from langgraph_parallel.aggregators.types import UNDECIDED, Decision
from langgraph_parallel.errors import BranchFailedError, SetupError, UndecidedError
from langgraph_parallel.nodes.attempt import attempt
from langgraph_parallel.nodes.ballot_tasks import ballot_parcels, judge_parcel
from langgraph_parallel.nodes.branch import BranchResult, check_names
from langgraph_parallel.nodes.choices import dealt
from langgraph_parallel.nodes.deliberation import Standing, deliberate
from langgraph_parallel.nodes.dispatch import (
    Round,
    close_dispatch,
    find_live,
    new_dispatch,
    no_dispatch,
    open_live,
)
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.keys import DISPATCH, NEXT, OWN_KEYS, REPORT, RESULTS, Keys
from langgraph_parallel.nodes.limits import Limiter, run_limit
from langgraph_parallel.nodes.meter import Meter, add_usage, no_usage
from langgraph_parallel.nodes.polling import poll
from langgraph_parallel.nodes.report import make_report, results_of
from langgraph_parallel.nodes.run import Parcel, child_config, run_branch
from langgraph_parallel.nodes.settings import Configure, configured
from langgraph_parallel.nodes.tally import cast, is_settled, kept, readable, round_size, stand_in
from langgraph_parallel.nodes.voting_checks import check_voting
from langgraph_parallel.nodes.voting_report import undecided_advice, undecided_text, voting_report
from langgraph_parallel.nodes.voting_spec import VotingSpec, all_voters

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
        check_voting(spec)
        self.spec = spec
        self.keys = keys
        self.limiter = limiter
        self.configure = configure
        self.context_schema = context_schema
        self.names = [voter.name for voter in all_voters(spec)]
        check_names("voter", self.names, [*OWN_KEYS, keys.input, keys.output, FAN_OUT, TALLY])

    async def fan_out(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Open a dispatch, or the next round of one; where there is nothing to do, answer."""
        if self.keys.is_nothing(state):
            nothing = no_dispatch()
            none = Round(id=nothing["id"], started=nothing["started"], round=0, first=0, count=0)
            spec = self._spec(runtime)
            report = voting_report(spec, none, [], [], UNDECIDED)
            return {**self.keys.empty(spec.default), REPORT: report}
        self.keys.read(state)
        coming: Round | None = state.get(NEXT)
        if coming is not None:
            return {DISPATCH: coming}
        spec = self._spec(runtime)
        first = round_size(spec, {}, 0, 0) + len(spec.advisers)
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
        if dispatch.get("judging") and spec.judge:
            results = results_of(state, RESULTS, dispatch)
            parcels = [await judge_parcel(spec, spec.judge, dispatch, results, value)]
        else:
            parcels = await ballot_parcels(spec, dispatch, value)
        return [Send(parcel["tasks"][0]["name"], parcel) for parcel in parcels]

    async def branch(
        self, parcel: Parcel, config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, list[BranchResult]]:
        """Cast one ballot, or those that share a request; the output is its reading."""
        spec = self._spec(runtime)
        dispatch: Round = parcel["dispatch"]  # type: ignore[assignment]
        tasks = parcel["tasks"]
        is_judge = bool(dispatch.get("judging"))
        voter = (is_judge and spec.judge) or spec.voter_at(tasks[0]["index"])

        async def work(config: RunnableConfig) -> Any:
            readings = await poll(spec, voter, tasks, config=config, runtime=runtime, meter=meter)
            return readings if len(tasks) > 1 else readings[0]

        meter = Meter()
        live = find_live(dispatch)
        # Advice is asked for in vain if it is cut off; so is the ballot that breaks a tie.
        is_cut = not (is_judge or voter.advisory or dispatch.get("more"))
        result = await run_branch(
            tasks[0],
            work,
            dispatch=dispatch,
            live=live,
            config=config,
            runtime=runtime,
            limiter=self.limiter,
            retries=spec.retries,
            timeout=voter.timeout,
            settled=live.settled if live and is_cut else None,
            meter=meter,
        )
        results = dealt(result, tasks) if len(tasks) > 1 else [result]
        if live and not is_judge:
            live.outcomes.update({result["index"]: result for result in results})
            with suppress(Exception):  # a stop that raises does so again at the tally, which tells
                if is_settled(spec, live.outcomes):
                    live.settled.set()
        return {RESULTS: results}

    async def tally(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> dict[str, Any]:
        """Count the ballots; decide, ask for another round, or for a judge.

        Raises:
            BranchFailedError: Every call failed, or what the rule or the merge asked.
            UndecidedError: There is no decision and `on_undecided` is `"raise"`.
        """
        spec = self._spec(runtime)
        dispatch: Round = state[DISPATCH]
        results = results_of(state, RESULTS, dispatch)
        is_over = (live := find_live(dispatch)) is not None and live.is_over(self.limiter.deadline)
        if dispatch.get("judging"):
            if results[-1]["status"] != "ok" and live is None:
                open_live(dispatch, run_limit(config))  # it goes on after this error: ask again
                return {NEXT: dispatch}
            return self._judged(spec, dispatch, results)
        votes = cast(spec, results)
        is_last = is_over or len(votes) >= min(spec.calls, len(spec.electors))
        if is_last and not any(result["status"] == "ok" for result in votes):
            if find_live(dispatch) is None:  # a run that goes on after this error: ask again
                open_live(dispatch, run_limit(config))
                return {NEXT: dispatch}
            close_dispatch(dispatch)
            raise BranchFailedError(
                f"All {len(votes)} votes failed. The first: {votes[0]['error']}",
                make_report("voting", dispatch, results),
            )
        started = spec.calls if is_over else len(votes)
        standing, dispatch = await self._deliberate(spec, state, votes, started, config)
        coming = dispatch.copy()
        coming["round"] += 1
        coming["first"] += coming["count"]
        decision = standing.decision or UNDECIDED
        coming["kept"] = len(standing.ballots)
        if standing.missing:
            coming["count"] = standing.missing
            coming["more"] = standing.decision is not None
            return {NEXT: coming}
        if not decision.decided and spec.judge is not None and not is_over:
            coming["round"] -= 1
            coming["judging"], coming["count"] = True, 1
            return {NEXT: coming}
        return self._finish(spec, dispatch, results, standing, decision)

    async def after_tally(
        self, state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Any]
    ) -> str:
        """Go round again, or end."""
        return FAN_OUT if state.get(NEXT) is not None else END

    async def _deliberate(
        self,
        spec: VotingSpec,
        state: dict[str, Any],
        votes: list[BranchResult],
        started: int,
        config: RunnableConfig,
    ) -> tuple[Standing, Round]:
        dispatch: Round = state[DISPATCH]
        meter = Meter()
        outcome = await attempt(
            lambda: deliberate(
                spec,
                readable(votes, spec.voters),
                started,
                dispatch,
                config=child_config(config, meter),
                value=self.keys.read(state),
            ),
            place=self.limiter.place(),
            retries=spec.retries,
        )
        used = add_usage(dispatch.get("asked") or no_usage(), meter.usage())
        if isinstance(outcome.error, BaseException):
            close_dispatch(dispatch)
            why = explain(outcome.error).rstrip(".")
            raise BranchFailedError(
                f"The rule, stop or merge failed. {why}. The report of this error has the ballots.",
                make_report("voting", dispatch, results_of(state, RESULTS, dispatch), used),
            )
        standing: Standing = outcome.output
        after = dispatch.copy()
        if used["calls"]:
            after["asked"] = used
        if standing.merged:
            after["merged"] = standing.merged
        return standing, after

    def _judged(
        self, spec: VotingSpec, dispatch: Round, results: list[BranchResult]
    ) -> dict[str, Any]:
        """Take the judge's ballot as the decision."""
        merged = dispatch.get("merged") or {}
        standing = Standing(kept(spec, dispatch, results), merged)
        verdict = stand_in(readable(results[-1:]), merged)
        decision = Decision(verdict[0].value) if verdict else UNDECIDED
        return self._finish(spec, dispatch, results, standing, decision)

    def _finish(
        self,
        spec: VotingSpec,
        dispatch: Round,
        results: list[BranchResult],
        standing: Standing,
        decision: Decision,
    ) -> dict[str, Any]:
        close_dispatch(dispatch)
        report = voting_report(spec, dispatch, results, standing.ballots, decision)
        if decision.decided:
            return {**self.keys.write(decision.value), REPORT: report}
        if spec.default is None and spec.on_undecided != "abstain":
            text = undecided_text(spec, dispatch, results, standing.ballots)
            raise UndecidedError(text, report, undecided_advice(spec))
        written = self.keys.write(spec.default) if spec.default is not None else self.keys.empty()
        return {**written, REPORT: report}

    def _spec(self, runtime: Runtime[Any]) -> VotingSpec:
        spec = configured(self.spec, self.configure, self.context_schema, runtime)
        if spec is self.spec:
            return spec
        check_voting(spec)
        new = {voter.name for voter in all_voters(spec)} - set(self.names)
        if new:
            raise SetupError(
                f"`configure` gave the voters {sorted(new)}, for which the graph has no nodes; it "
                f"has {self.names}. Build the graph with all voters, and its judge, and change "
                "their prompts and models only."
            )
        return spec
