"""Options that cannot work are refused when the graph is built: what is wrong, what is allowed."""

from collections.abc import Callable
from typing import Any

import pytest
from drive import KEY, MODEL, run
from pydantic import BaseModel
from stub_server import StubServer

from langgraph_parallel import (
    Guard,
    ParallelPatternError,
    Section,
    SetupError,
    Voter,
    at_least,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.graphs import response_evaluation

Make = Callable[[], Any]
SECTION, VOTER, GUARD = Section("a", run=str), Voter("a", run=str), Guard("a", run=bool)
ONE_SECTION: Any = SECTION
ONE_GUARD: Any = GUARD
THREE: Any = 3
DICT: Any = dict


def sectioning(*sections: Any, **options: Any) -> Make:
    return lambda: create_sectioning(list(sections) or [SECTION], **options)


def voting(*voters: Any, **options: Any) -> Make:
    return lambda: create_voting(list(voters) or VOTER, **options)


def guardrail(*guards: Any, respond: Any = str, **options: Any) -> Make:
    return lambda: create_guardrail(respond, list(guards) or [GUARD], **options)


def schema_and_run() -> Section:
    return Section("a", run=str, schema=BaseModel)


# What is made, and what the message names: the value, and what is allowed.
BRANCHES: list[tuple[Make, list[str]]] = [
    (lambda: create_sectioning([]), ["No sections were given", "at least one section"]),
    (lambda: create_voting([]), ["No voters were given", "at least one Voter"]),
    (lambda: create_guardrail(str, []), ["No guards were given", "at least one guard"]),
    (lambda: create_sectioning(ONE_SECTION), ["'a'", "single branch", "Give a list"]),
    (lambda: create_guardrail(str, ONE_GUARD), ["'a'", "single branch", "Give a list"]),
    (sectioning(SECTION, SECTION), ["2 sections are named 'a'", "Names must differ"]),
    (voting(VOTER, VOTER), ["2 voters are named 'a'", "Names must differ"]),
    (guardrail(GUARD, GUARD), ["2 guards are named 'a'", "Names must differ"]),
    (sectioning(VOTER), ["Voter(name='a'", "not a section", "Section('name', 'prompt')"]),
    (voting(SECTION), ["Section(name='a'", "not a voter", "Voter('name', 'prompt')"]),
    (guardrail("a"), ["'a' is not a guard", "Guard('name', 'prompt')"]),
    (sectioning(Section("reduce", run=str)), ["'reduce'", "Reserved names: fan_out, input"]),
    (voting(Voter("tally", run=str)), ["'tally'", "Reserved names: fan_out"]),
    (guardrail(Guard("respond", run=bool)), ["'respond'", "Reserved names: fan_out"]),
    (sectioning(Section("text", run=str), input_key="text"), ["'text'", "Reserved names"]),
    (lambda: Section("", "x"), ["Section name ''", "as in 'security'"]),
    (lambda: Section("a|b", "x"), ["Section name 'a|b'", "| { } < >"]),
    (lambda: Section(THREE, "x"), ["Section name 3", "as in 'security'"]),
    (lambda: Voter("a"), ["Voter 'a' has neither of `prompt` and `run`", "Give a prompt"]),
    (lambda: Guard("a", "x", run=bool), ["Guard 'a' has both of `prompt` and `run`"]),
    (lambda: Section("a", " "), ["Section 'a' has an empty prompt", "Say what it should do"]),
    (lambda: Section("a", THREE), ["prompt of type int", "Give text"]),
    (lambda: Section("a", run=3), ["run of type int", "a Runnable, a function or a compiled"]),
    (schema_and_run, ["`schema` beside a `run`", "return the data itself"]),
    (lambda: Section("a", "x", schema=DICT), ["<class 'dict'>", "a Pydantic model class"]),
    (lambda: Section("a", "x", timeout=0), ["timeout=0", "seconds above 0, or None"]),
    (guardrail(Guard("a", run=bool, timeout=None)), ["'a' has no deadline", "default is 10"]),
    (guardrail(respond=None), ["neither of `prompt` and `run`"]),
    (guardrail(respond=3), ["run of type int", "a Runnable, a function or a compiled"]),
    (guardrail(respond=" "), ["empty prompt"]),
]
CHAINS: list[tuple[Make, list[str]]] = [
    (
        sectioning(Section("facts", "List facts."), Section("essay", prompt)),
        ["section 'essay' names the output of section 'facts'", "chain two graphs"],
    )
    for prompt in (
        "Write an essay from {facts}.",
        "Use the output of facts.",
        "Build on the result from the 'facts' section.",
        "Check the facts section's findings.",
    )
]
OPTIONS: list[tuple[Make, list[str]]] = [
    (sectioning(aggregate="sum"), ["Unknown aggregate 'sum'", "'join', 'merge', 'synthesize'"]),
    (sectioning(aggregate=3), ["aggregate=3", "a function"]),
    (sectioning(min_success=2), ["min_success=2", "1 sections", "from 0 to 1, or None"]),
    (sectioning(min_success=-1), ["min_success=-1", "0 or more"]),
    (lambda: create_sectioning(lambda _: [], min_success=-1), ["min_success=-1"]),
    (sectioning(retries=-1), ["retries=-1", "from 0 up"]),
    (voting(retries=-1), ["retries=-1", "from 0 up"]),
    (guardrail(retries=-1), ["retries=-1", "from 0 up"]),
    (sectioning(max_concurrency=0), ["max_concurrency=0", "from 1 up"]),
    (voting(max_concurrency=True), ["max_concurrency=True", "from 1 up"]),
    (guardrail(max_concurrency=2.5), ["max_concurrency=2.5", "whole number"]),
    (sectioning(input_key="report"), ["input_key='report'", "a name such as 'text'"]),
    (voting(output_key="two words"), ["output_key='two words'", "a name such as 'text'"]),
    (guardrail(input_key=""), ["input_key=''", "a name such as 'text'"]),
    (guardrail(mode="fast"), ["Unknown mode 'fast'", "parallel, blocking"]),
    (
        guardrail(on_guard_error="ignore"),
        ["on_guard_error='ignore'", "'deny', 'allow' and 'raise'"],
    ),
    (
        guardrail(on_guard_timeout="ignore"),
        ["on_guard_timeout='ignore'", "'deny', 'allow' and 'raise'"],
    ),
    (guardrail(verdict="most"), ["Unknown verdict rule 'most'", "'any'", "'all'", "at_least(2)"]),
    (guardrail(verdict=at_least(2)), ["needs 2 trips", "1 guards", "from 1 to 1"]),
    (voting(options=["a"]), ["options=['a']", "two or more different labels"]),
    (voting(options=["a", "a"]), ["options=['a', 'a']", "two or more different labels"]),
    (voting(options="ab"), ["options='ab'", "a list of labels"]),
    (
        voting(rule="best"),
        [
            "Unknown rule 'best'",
            "'plurality', 'majority', 'weighted'",
            "'any', 'all', 'at_least_K'",
        ],
    ),
    (voting(rule=3), ["rule=3", "a function of yours"]),
    (voting(rule="any", options=["a", "b", "c"]), ["'any'", "there are 3", "Give two options"]),
    (voting(stop="soon"), ["Unknown stop 'soon'", "'settled', 'beta', 'ahead_by_K'"]),
    (voting(stop=3), ["stop=3", "a function of yours"]),
    (voting(stop="ahead_by_0"), ["ahead_by(0)", "from 1 up"]),
    (voting(stop=lambda *_: True), ["before the first vote", "wait for a vote"]),
    (voting(rounds="many"), ["Unknown rounds 'many'", "lossless, doubling, all_at_once"]),
    (voting(on_undecided="guess"), ["Unknown on_undecided 'guess'", "raise, abstain"]),
    (voting(max_votes=0), ["max_votes=0", "from 1 up"]),
    (voting(max_votes=5, max_calls=4), ["max_calls=4", "max_votes=5", "Give 5 or more"]),
    (voting(max_votes=5, max_calls=0), ["max_calls=0", "max_votes=5", "Give 5 or more"]),
    (
        voting(VOTER, Voter("b", run=str), rule=at_least(3, "x", "y")),
        ["needs 3 ballots", "at most 2", "from 1 to 2"],
    ),
    (
        voting(VOTER, Voter("b", run=str), rule="at_least_3"),
        ["needs 3 ballots", "at most 2", "from 1 to 2"],
    ),
]
MODELS: list[tuple[Make, list[str]]] = [
    (make(model=model), [part, "'openai:NAME'", "'local'"])
    for make in (sectioning, voting, guardrail)
    for model, part in (("gpt", "'gpt'"), (3, "not int"))
]


@pytest.mark.parametrize(("make", "parts"), [*BRANCHES, *CHAINS, *OPTIONS, *MODELS])
def test_it_is_refused_with_the_value_and_what_is_allowed(make: Make, parts: list[str]) -> None:
    with pytest.raises(SetupError) as caught:
        make()
    message = str(caught.value)
    assert [part for part in parts if part not in message] == []
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ParallelPatternError)


@pytest.mark.parametrize("place", ["pattern", "branch"])
def test_a_model_that_looks_like_a_key_is_refused_without_showing_it(place: str) -> None:
    named = f"openai:{KEY}"
    branch = Section("a", "Look.", model=named if place == "branch" else None)
    with pytest.raises(SetupError, match="looks like a credential") as caught:
        create_sectioning([branch], model=named if place == "pattern" else None)
    assert KEY not in str(caught.value)


class TestAtRunTime:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("make", [sectioning(), voting(), guardrail()])
    def test_a_missing_input_is_named(self, make: Make, mode: str) -> None:
        with pytest.raises(
            SetupError, match=r"no value under 'input'.*Call the graph with \{'input': "
        ):
            run(make(), {"question": "x"}, mode)

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_without_key_and_model_the_error_says_what_to_set(
        self, server: StubServer, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.delenv("OPENAI_BASE_URL")
        monkeypatch.delenv("OPENAI_API_KEY")
        graph = create_sectioning([Section("a", "Look.", required=False)], model=MODEL)
        (branch,) = run(graph, {"input": "x"}, mode)["report"]["branches"]
        assert "needs an API key" in branch["error"]
        assert "OPENAI_API_KEY" in branch["error"]


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
@pytest.mark.parametrize(
    ("value", "missing"),
    [
        ({"question": "Why?"}, "lacks 'answer'"),
        ({"question": "Why?", "answr": "So."}, "lacks 'answer'"),
        ("Why?", "lacks 'answer', 'question'"),
    ],
)
def test_a_field_that_the_inputs_type_requires_is_missed(
    value: Any, missing: str, mode: str
) -> None:
    with pytest.raises(SetupError, match=f"{missing}. Give a dict with 'answer', 'question'"):
        run(response_evaluation.graph, {"input": value}, mode)
