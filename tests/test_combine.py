"""Sections' results become one answer, in their order, and failures of setup are explained."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from langgraph_parallel.aggregators.combine import (
    SYNTHESIS_PROMPT,
    aggregate_named,
    as_text,
    join,
    merge,
    synthesize,
)
from langgraph_parallel.aggregators.types import SectionResult
from langgraph_parallel.errors import SetupError

relaxed = settings(deadline=None)  # a busy machine is no failure

RESULTS = [SectionResult("tone", "Kind."), SectionResult("safety", {"score": 4}, index=1)]
REPORTS = '## tone\nKind.\n\n## safety\n{\n  "score": 4\n}'


class Writer(BaseChatModel):
    """A model that writes its pen name and keeps what it was asked."""

    pen_name: str = "writer"
    asked: list[list[tuple[str, str]]] = []  # noqa: RUF012 - Pydantic copies it for each instance
    tags_seen: list[list[str]] = []  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "writer"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("an aggregate asks asynchronously")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append([(message.type, message.text) for message in messages])
        self.tags_seen.append(run_manager.tags if run_manager else [])
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.pen_name))])


class TestAsText:
    @relaxed
    @given(st.text())
    def test_text_stays_as_it_is(self, text: str) -> None:
        assert as_text(text) == text

    @pytest.mark.parametrize("data", [{"score": 4, "why": ["ä", "b"]}, [1, 2], None, True, 2.5])
    def test_data_becomes_indented_json_that_people_can_read(self, data: Any) -> None:
        text = as_text(data)
        assert json.loads(text) == data
        assert "\\u" not in text
        assert ("\n  " in text) == isinstance(data, (dict, list))


class TestJoin:
    def test_texts_stand_under_headings_with_a_blank_line_between(self) -> None:
        assert join()(RESULTS) == REPORTS

    def test_heading_of_ones_own_may_use_other_braces(self) -> None:
        results = [SectionResult("{name}", "one"), SectionResult("b", "two")]
        assert join(heading="{x} {name}:")(results) == "{x} {name}:\none\n\n{x} b:\ntwo"

    def test_empty_heading_leaves_no_line(self) -> None:
        results = [SectionResult("a", "one"), SectionResult("b", "two")]
        assert join(heading="")(results) == "one\n\ntwo"

    def test_no_results_give_an_empty_text(self) -> None:
        assert join()([]) == ""

    @relaxed
    @given(st.permutations("abcd"))
    def test_order_is_that_of_the_results(self, names: list[str]) -> None:
        results = [SectionResult(name, name.upper()) for name in names]
        assert join(heading="")(results) == "\n\n".join(name.upper() for name in names)


class TestMerge:
    def test_each_output_stands_under_its_name_as_it_is(self) -> None:
        merged = merge()(RESULTS)
        assert merged == {"tone": "Kind.", "safety": {"score": 4}}
        assert list(merged) == ["tone", "safety"]

    def test_no_results_give_an_empty_dict(self) -> None:
        assert merge()([]) == {}


class TestSynthesize:
    async def test_model_gets_the_prompt_and_all_results_under_headings(self) -> None:
        model = Writer()
        message = await synthesize("Merge these.")(RESULTS, model=model, config={})
        assert message.text == "writer"
        assert model.asked == [[("system", "Merge these."), ("human", REPORTS)]]

    async def test_without_a_prompt_it_says_what_a_synthesis_is(self) -> None:
        model = Writer()
        await synthesize()(RESULTS, model=model, config={})
        assert model.asked[0][0] == ("system", SYNTHESIS_PROMPT)

    async def test_model_of_its_own_goes_before_the_model_of_the_pattern(self) -> None:
        own, other = Writer(pen_name="own"), Writer(pen_name="other")
        message = await synthesize(model=own)(RESULTS, model=other, config={})
        assert (message.text, len(own.asked), len(other.asked)) == ("own", 1, 0)

    async def test_call_runs_under_the_config_of_the_graph(self) -> None:
        model = Writer()
        await synthesize()(RESULTS, model=model, config={"tags": ["of-the-graph"]})
        assert model.tags_seen == [["of-the-graph"]]

    async def test_no_results_give_an_empty_text_without_a_call(self) -> None:
        model = Writer()
        assert await synthesize()([], model=model, config={}) == ""
        assert model.asked == []


class TestAggregateNamed:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            pytest.param("join", join()(RESULTS), id="join"),
            pytest.param("merge", merge()(RESULTS), id="merge"),
        ],
    )
    def test_name_gives_the_aggregate(self, name: str, expected: Any) -> None:
        assert aggregate_named(name)(RESULTS) == expected

    async def test_synthesize_by_name_asks_the_model_of_the_pattern(self) -> None:
        model = Writer()
        await aggregate_named("synthesize")(RESULTS, model=model, config={})
        assert model.asked == [[("system", SYNTHESIS_PROMPT), ("human", REPORTS)]]

    @pytest.mark.parametrize("name", ["", "concat", "Join", "aggregate_named"])
    def test_unknown_name_is_refused_with_what_is_allowed(self, name: str) -> None:
        with pytest.raises(SetupError) as caught:
            aggregate_named(name)
        for part in (repr(name), "'join'", "'merge'", "'synthesize'", "function of your own"):
            assert part in str(caught.value)
