"""What a branch's own run is given, and what is made of what it gives."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from drive import Graph
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict

from langgraph_parallel import SetupError
from langgraph_parallel.nodes.calls import (
    from_graph,
    is_async,
    plain,
    to_graph,
    user_config,
    wanted,
)
from langgraph_parallel.nodes.keys import Keys
from langgraph_parallel.nodes.limits import NODE_POOL

OFFERS = {"config": 1, "runtime": 2}


async def coroutine(text: str, config: Any = None) -> None: ...


class Callables:
    async def __call__(self, text: str) -> None: ...

    async def method(self, text: str, runtime: Any) -> None: ...

    def plain(self, text: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda text: text, []),
        (lambda config: config, []),  # the first parameter is the input, whatever its name
        (lambda text, config: (text, config), ["config"]),
        (lambda text, *, runtime, config=None: (text, runtime, config), ["config", "runtime"]),
        (lambda text, *config, **runtime: (text, config, runtime), []),
        (lambda text, other=1: (text, other), []),
        (coroutine, ["config"]),
        (Callables().method, ["runtime"]),
        (functools.partial(coroutine, config=3), ["config"]),
        (str, []),
        (len, []),
    ],
)
def test_a_function_gets_what_it_names(function: Callable[..., Any], names: list[str]) -> None:
    assert sorted(wanted(function, OFFERS)) == names


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (coroutine, True),
        (functools.partial(coroutine, config=3), True),
        (Callables(), True),
        (Callables().method, True),
        (Callables().plain, False),
        (str.upper, False),
        (Callables, False),
    ],
)
def test_async_callables_are_told_from_plain_ones(
    function: Callable[..., Any], expected: bool
) -> None:
    assert is_async(function) is expected


def graph_of(schema: Any) -> Graph:
    graph = StateGraph(schema)
    graph.add_node("node", lambda state: state)
    return graph.add_edge(START, "node").compile()


class Question(TypedDict):
    question: str


class InputAndMore(TypedDict):
    input: str
    more: str


class Two(TypedDict):
    one: str
    two: str


@pytest.mark.parametrize(
    ("schema", "value", "given"),
    [
        (Question, "Why?", {"question": "Why?"}),
        (Question, {"question": "Why?"}, {"question": "Why?"}),
        (Question, {"other": 1}, {"question": {"other": 1}}),
        (InputAndMore, "Why?", {"input": "Why?"}),
        (InputAndMore, {"more": "x"}, {"more": "x"}),
        (Two, {"one": "x"}, {"one": "x"}),
        (Two, "x", "x"),
        (MessagesState, "Why?", {"messages": [HumanMessage("Why?")]}),
        (MessagesState, [HumanMessage("Why?")], {"messages": [HumanMessage("Why?")]}),
        (MessagesState, {"a": "b"}, {"messages": [HumanMessage("a:\nb")]}),
    ],
)
def test_a_graph_gets_the_input_in_the_shape_of_its_own(
    schema: Any, value: Any, given: Any
) -> None:
    assert to_graph(graph_of(schema), value) == given


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ({"output": "a", "messages": ["m"], "report": {}}, "a"),
        ({"structured_response": "s", "output": "a"}, "s"),
        ({"structured_response": None, "messages": ["first", "last"]}, "last"),
        ({"label": "a", "report": {}}, "a"),
        ({"one": 1, "two": 2}, {"one": 1, "two": 2}),
        ("no state", "no state"),
    ],
)
def test_the_answer_is_taken_out_of_a_graphs_state(state: Any, answer: Any) -> None:
    assert from_graph(graph_of(Two), state) == answer


class Score(BaseModel):
    score: float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AIMessage("text"), "text"),
        (AIMessage([{"type": "text", "text": "te"}, {"type": "text", "text": "xt"}]), "text"),
        (Score(score=1), {"score": 1.0}),
        ([Score(score=1), (1, None)], [{"score": 1.0}, [1, None]]),
        ({"a": {1}}, {"a": [1]}),
    ],
)
def test_outputs_become_plain_data(value: Any, expected: Any) -> None:
    assert plain(value) == expected


def test_an_output_that_json_cannot_show_is_refused() -> None:
    with pytest.raises(TypeError, match="type dict is not plain data"):
        plain({"deep": [object()]})


def test_the_librarys_own_pool_size_does_not_reach_the_users_code() -> None:
    assert user_config(RunnableConfig(max_concurrency=NODE_POOL, tags=["a"])) == {"tags": ["a"]}
    assert user_config(RunnableConfig(max_concurrency=3)) == {"max_concurrency": 3}


class TestKeys:
    def test_the_conversation_is_read_as_plain_data_whatever_its_form(self) -> None:
        read = Keys.of("messages", None).read
        expected = [{"role": "user", "content": "Hi"}]
        lists: list[Any] = [[HumanMessage("Hi")], [("user", "Hi")], expected, ["Hi"]]
        single: list[Any] = [form[0] for form in lists]
        assert [read({"messages": form}) for form in lists + single] == [expected] * 8

    @pytest.mark.parametrize(
        ("given", "output"), [("text", "output"), ("messages", "messages"), ("input", "output")]
    )
    def test_the_output_key_follows_the_input_key(self, given: str, output: str) -> None:
        assert Keys.of(given, None) == Keys(given, output)
        assert Keys.of(given, "own").output == "own"

    def test_a_message_keeps_the_id_under_which_it_was_streamed(self) -> None:
        (message,) = Keys.of("messages", None).write({"a": 1}, "id-1")["messages"]
        assert (message.id, message.content) == ("id-1", '{\n  "a": 1\n}')

    def test_none_is_no_input(self) -> None:
        with pytest.raises(SetupError, match="no value under 'input'"):
            Keys().read({"input": None})
