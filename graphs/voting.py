"""Voting: the same question asked several times, or of several voters, decided by a rule."""

from collections.abc import Sequence
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import Unpack

from langgraph_parallel.aggregators.types import AskingRule, Merge, Rule, Stop
from langgraph_parallel.graphs.wiring import (
    CompileOptions,
    NodeMetadata,
    PatternGraph,
    add_node,
    add_router,
    check_models,
    check_portable,
    compiled,
)
from langgraph_parallel.nodes.advice import warn
from langgraph_parallel.nodes.ballot import Options
from langgraph_parallel.nodes.keys import Keys
from langgraph_parallel.nodes.limits import DEFAULT_MAX_CONCURRENCY, Limiter
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.settings import Configure
from langgraph_parallel.nodes.voter import OnUndecided, Rounds, Voter
from langgraph_parallel.nodes.voting import FAN_OUT, TALLY, VotingNodes
from langgraph_parallel.nodes.voting_spec import VotingSpec, all_voters


def build_voting(
    voters: Voter | Sequence[Voter],
    *,
    options: Options = None,
    rule: str | Rule | AskingRule | None = None,
    stop: str | Stop | None = None,
    max_votes: int | None = None,
    max_calls: int | None = None,
    rounds: Rounds | None = None,
    merge: Merge | None = None,
    max_chars: int | None = None,
    one_request: bool = False,
    model: ModelLike = None,
    on_undecided: OnUndecided | Voter = "raise",
    default: Any = None,
    retries: int = 2,
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
    deadline: float | None = None,
    input_key: str = "input",
    output_key: str | None = None,
    input_type: Any = Any,
    context_schema: type[Any] | None = None,
    configure: Configure[VotingSpec] | None = None,
    node_metadata: NodeMetadata = None,
) -> StateGraph[Any, Any, Any, Any]:
    """Build the uncompiled graph of `create_voting`, which says what the other arguments are.

    `node_metadata` is the metadata of every node. With the key `"execute_in"` the nodes are made as
    Temporal's plugin for LangGraph asks for: bare async methods, for async runs only.
    """
    panel = [voters] if isinstance(voters, Voter) else list(voters)
    check_portable(node_metadata, model, panel)
    spec = VotingSpec(
        panel,
        options=options,
        rule=rule,
        stop=stop,
        max_votes=max_votes,
        max_calls=max_calls,
        rounds=rounds,
        merge=merge,
        max_chars=max_chars,
        one_request=one_request,
        model=model,
        on_undecided=on_undecided,
        default=default,
        retries=retries,
    )
    keys = Keys.of(input_key, output_key, input_type)
    limiter = Limiter(max_concurrency, deadline)
    nodes = VotingNodes(spec, keys, limiter, configure, context_schema)
    check_models(model, all_voters(spec))
    warn(spec)
    graph = PatternGraph(keys.schemas("voting"), context_schema, node_metadata)
    add_node(graph, FAN_OUT, nodes.fan_out)
    for voter in all_voters(spec):
        add_node(graph, voter.name, nodes.branch, voter.run)
        graph.add_edge(voter.name, TALLY)
    add_node(graph, TALLY, nodes.tally)
    graph.add_edge(START, FAN_OUT)
    add_router(graph, FAN_OUT, nodes.route, nodes.names)
    add_router(graph, TALLY, nodes.after_tally, [FAN_OUT, END])
    return graph


def create_voting(
    voters: Voter | Sequence[Voter],
    *,
    options: Options = None,
    rule: str | Rule | AskingRule | None = None,
    stop: str | Stop | None = None,
    max_votes: int | None = None,
    max_calls: int | None = None,
    rounds: Rounds | None = None,
    merge: Merge | None = None,
    max_chars: int | None = None,
    one_request: bool = False,
    model: ModelLike = None,
    on_undecided: OnUndecided | Voter = "raise",
    default: Any = None,
    retries: int = 2,
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
    deadline: float | None = None,
    input_key: str = "input",
    output_key: str | None = None,
    input_type: Any = Any,
    context_schema: type[Any] | None = None,
    configure: Configure[VotingSpec] | None = None,
    **compile_options: Unpack[CompileOptions],
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Ask several times, or several voters, and let a rule decide.

    Ballots are counted in order of their index, never of arrival: the same answers give the same
    decision whatever their speed. `graph.invoke({"input": ...})` gives `output`, the decision,
    and `report`, with counts, dissent, and what each vote took and consumed.

    Args:
        voters: One `Voter`, who is asked repeatedly, or a panel of different ones, each asked once,
            or in turn if `max_votes` is more than their number.
        options: What can be voted for: a closed list of labels; `int` or `float` for numbers; a
            Pydantic model, whose equal instances are counted together; or `None` for free answers.
        rule: Who wins: `"plurality"` (default of sampled voters), `"majority"` (more than half of
            the panel; default of a panel with the stop `"settled"` or `"fixed_N"`),
            `"weighted"` (by each voter's `weight`), `"any"`, `"all"` or `"at_least_K"` (the first
            of two options flags), `"borda"` or `"instant_runoff"` (the ballots rank the options),
            `"median"` or `"trimmed_mean"` (the ballots are numbers), or a `Rule` such as
            `at_least(2, "unsafe", "safe")`, `best_of(scorer)` or `consensus()`.
        stop: When to stop: a preset, `"quick"` (ahead by 2), `"standard"` (ahead by 3; default of
            a sampled voter) or `"careful"` (beta 0.95, at most 39 votes); `"ahead_by_K"`, `"beta"`
            (the first label is ahead with a probability of 0.95), `"first_to_K"`, `"settled"`
            (nothing can change any more; default of a panel), `"fixed_N"` (default of rules that
            read more than counts), or a `Stop`.
        max_votes: Readable ballots at most; 15 or what the preset says, or the size of the panel.
        max_calls: Calls at most, as unreadable ballots are asked for again; twice `max_votes`, or
            the size of a panel that is asked once. Advisers and a judge come on top.
        rounds: `"lossless"` (never a call that asking one by one would have saved), `"doubling"`,
            or `"all_at_once"` (fastest, dearest; default of a panel, where calls that no longer
            matter are closed).
        merge: Which ballots mean the same: `same_if(function)`, `same_meaning()`, or a `Merge`.
            They are counted as one; the report says which were `merged`.
        max_chars: Characters above which a reply is a red flag and its ballot unreadable.
        one_request: Ask for the ballots of a round as choices of one request, whose prompt is then
            billed once: where a sampled voter has a prompt, its model speaks OpenAI's chat
            completions, and the round is not `"all_at_once"`. What the server leaves out is asked
            for again. Not every server knows the parameter `n`.
        model: Chat model or model string, as in `create_sectioning`.
        on_undecided: What becomes of no decision: `"raise"`; `"abstain"` (the output is `None`);
            `"judge"`, or a `Voter` who is the judge: one more call that sees the ballots with their
            reasons, and decides; `"more"`: more ballots, one by one, up to `max_calls`.
        default: A label to fall back to when there is no decision, such as the cautious one.
        retries: Further tries of a call after an error with which a retry can help.
        max_concurrency: Calls in flight at once, of this graph and all that is nested in it; 16 by
            default.
        deadline: Seconds that a run may take; what has not ended by then is a `"timeout"` in the
            report. `None` for no limit.
        input_key: State key that is read; `"messages"` reads a conversation.
        output_key: State key that is written; `"output"`, or `"messages"` beside that input key.
        input_type: Type of the input for its JSON schema, from which Studio makes a form: `str` for
            a text field. Of a `TypedDict` the required keys are checked.
        context_schema: Class of the run's context, as in `StateGraph`.
        configure: Function from the options and the context to the options of this run; `Configure`
            has an example.
        **compile_options: `checkpointer`, `store`, `cache`, `name` and the others of
            `StateGraph.compile` (see `CompileOptions`).

    Returns:
        The compiled graph.

    Raises:
        SetupError: Here, when an option cannot work; at run time, when the input is missing.
        ModelUnavailableError: The model cannot be used on this machine.
        UndecidedError: At run time, when there is no decision, and neither `default` nor
            `"abstain"` says what then.
        BranchFailedError: At run time, when every vote so far failed, or the rule, stop or merge
            did.

    Warns:
        SetupWarning: Here, of options that work and are hardly meant, such as an even fixed number
            of votes on a question with two options.

    Example:
        ```python
        from langgraph_parallel import Voter, create_voting

        sentiment = create_voting(
            Voter("sentiment", "What is the mood of this text?"),
            options=["positive", "negative", "neutral"],
        )
        result = sentiment.invoke({"input": "It does what it says."})
        print(result["output"], result["report"]["counts"])
        ```
    """
    graph = build_voting(
        voters,
        options=options,
        rule=rule,
        stop=stop,
        max_votes=max_votes,
        max_calls=max_calls,
        rounds=rounds,
        merge=merge,
        max_chars=max_chars,
        one_request=one_request,
        model=model,
        on_undecided=on_undecided,
        default=default,
        retries=retries,
        max_concurrency=max_concurrency,
        deadline=deadline,
        input_key=input_key,
        output_key=output_key,
        input_type=input_type,
        context_schema=context_schema,
        configure=configure,
    )
    return compiled(graph, "voting", compile_options)
