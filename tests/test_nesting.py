"""A pattern as a node: in a conversation, beside another one, inside another one."""

import operator
from typing import Annotated, Any

import pytest
from drive import MODEL, STREAMS, Graph, events, run
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from stub_server import ChatRequest, StubServer
from typing_extensions import TypedDict

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
THREAD = RunnableConfig(configurable={"thread_id": "1"})


def echo(request: ChatRequest) -> str:
    """Answer with all that the user has said so far."""
    said = [m["content"] for m in request.messages if m["role"] == "user"]
    return f"heard {', '.join(said)}"


def sectioning() -> Graph:
    return create_sectioning(
        [Section("a", "Listen.")], model=MODEL, aggregate="synthesize", input_key="messages"
    )


def voting() -> Graph:
    return create_voting(Voter("v", "Listen."), model=MODEL, input_key="messages")


def guardrail() -> Graph:
    guards = [Guard("g", run=lambda talk: "bad" in talk[-1]["content"])]
    return create_guardrail("Listen.", guards, model=MODEL, input_key="messages")


def parent(pattern: Graph) -> Graph:
    graph = StateGraph(MessagesState)
    graph.add_node("pattern", pattern)
    graph.add_edge(START, "pattern")
    return graph.add_edge("pattern", END).compile(checkpointer=InMemorySaver())


@pytest.fixture
def server(server: StubServer) -> StubServer:
    server.on("Several specialists", lambda request: request.messages[-1]["content"][5:])
    server.on("", echo)
    return server


PATTERNS = pytest.mark.parametrize("make", [sectioning, voting, guardrail])


class TestConversation:
    @PATTERNS
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
    def test_each_turn_appends_one_message_and_nothing_doubles_or_goes_stale(
        self, server: StubServer, make: Any, mode: str
    ) -> None:
        graph = parent(make())
        said: list[str] = []
        messages: list[AnyMessage] = []
        for turn, text in enumerate(["one", "two", "three"], start=1):
            said.append(text)
            messages = run(graph, {"messages": [("user", text)]}, mode, THREAD)["messages"]
            assert len(messages) == 2 * turn
            assert type(messages[-1]) is AIMessage
            assert messages[-1].content == f"heard {', '.join(said)}"
        assert [m.content for m in messages[::2]] == said
        assert len({m.id for m in messages}) == 6

    @pytest.mark.parametrize("make", [sectioning, guardrail])
    @pytest.mark.parametrize("mode", STREAMS)
    def test_the_streamed_message_is_the_one_that_is_kept(
        self, server: StubServer, make: Any, mode: str
    ) -> None:
        graph = parent(make())
        for text in ("one", "two"):
            seen = events(
                graph, {"messages": [("user", text)]}, mode, ["messages", "values"], THREAD
            )
            streamed = [item[0] for kind, item in seen if kind == "messages"]
            answer = seen[-1][1]["messages"][-1]
            assert {message.id for message in streamed} == {answer.id}
            assert "".join(message.text for message in streamed) == answer.text

    @pytest.mark.parametrize("make", [sectioning, guardrail])
    @pytest.mark.parametrize("mode", STREAMS)
    def test_with_subgraphs_no_message_is_streamed_a_second_time(
        self, server: StubServer, make: Any, mode: str
    ) -> None:
        seen = events(
            parent(make()),
            {"messages": [("user", "one")]},
            mode,
            "messages",
            THREAD,
            subgraphs=True,
        )
        assert "".join(item[0].text for _, item in seen) == "heard one"
        assert len({item[0].id for _, item in seen}) == 1

    @pytest.mark.parametrize("mode", STREAMS)
    def test_a_vote_streams_its_decision_as_one_whole_message(
        self, server: StubServer, mode: str
    ) -> None:
        turn = {"messages": [("user", "one")]}
        seen = events(parent(voting()), turn, mode, "messages", THREAD)
        assert [item[0].text for item in seen] == ["heard one"]

    @BOTH
    def test_a_refusal_is_appended_and_the_blocked_answer_leaves_no_trace(
        self, server: StubServer, mode: str
    ) -> None:
        graph = parent(guardrail())
        for text in ("good", "bad", "fine"):
            messages = run(graph, {"messages": [("user", text)]}, mode, THREAD)["messages"]
        assert [m.content for m in messages[1::2]] == [
            "heard good",
            REFUSAL,
            "heard good, bad, fine",
        ]
        assert "heard good, bad'" not in str(list(graph.get_state_history(THREAD)))

    def test_alone_a_pattern_gives_only_the_new_message(self, server: StubServer) -> None:
        talk = [HumanMessage("one"), AIMessage("yes?"), HumanMessage("two")]
        (message,) = run(guardrail(), {"messages": talk})["messages"]
        assert message.content == "heard one, two"

    def test_messages_can_be_read_and_another_key_written(self, server: StubServer) -> None:
        graph = create_voting(
            Voter("v", "Listen."), model=MODEL, input_key="messages", output_key="label"
        )
        state = run(graph, {"messages": [("user", "one")]})
        assert (set(state), state["label"]) == ({"label", "report"}, "heard one")


class Shared(TypedDict, total=False):
    input: Annotated[list[str], operator.add]
    output: Annotated[list[str], operator.add]
    report: dict[str, Any]
    parallel_results: Annotated[list[str], operator.add]
    parallel_dispatch: str


class Text(TypedDict):
    text: str


class Both(Text, total=False):
    review: str
    mood: str


class TestParents:
    @BOTH
    def test_equal_key_names_in_the_parent_are_neither_repeated_nor_overwritten(
        self, mode: str
    ) -> None:
        pattern = create_sectioning(
            [Section("a", run=lambda words: words)], aggregate=lambda results: results[0].output
        )
        graph = StateGraph(Shared)
        graph.add_node("first", pattern)
        graph.add_node("second", pattern)
        graph.add_edge(START, "first").add_edge("first", "second").add_edge("second", END)
        given = {
            "input": ["in"],
            "output": ["pre"],
            "parallel_results": ["mine"],
            "parallel_dispatch": "mine too",
        }
        state = run(graph.compile(), given, mode)
        del state["report"]
        assert state == {
            "input": ["in"],
            "output": ["pre", "in", "in"],
            "parallel_results": ["mine"],
            "parallel_dispatch": "mine too",
        }

    @BOTH
    @pytest.mark.parametrize("side_by_side", [False, True])
    def test_two_patterns_fit_in_one_parent(self, mode: str, side_by_side: bool) -> None:
        review = create_sectioning(
            [Section("a", run=str.upper)], input_key="text", output_key="review"
        )
        mood = create_voting(Voter("v", run=lambda _: "good"), input_key="text", output_key="mood")
        graph = StateGraph(Both)
        graph.add_node("reviews", review)
        graph.add_node("moods", mood)
        graph.add_edge(START, "reviews")
        graph.add_edge(START if side_by_side else "reviews", "moods")
        state = run(graph.compile(), {"text": "x"}, mode)
        assert state == {"text": "x", "review": "## a\nX", "mood": "good"}

    @BOTH
    def test_a_sync_node_of_a_parent_can_call_a_pattern(self, mode: str) -> None:
        pattern = create_sectioning([Section("a", run=str.upper)])

        def call(state: Text) -> dict[str, Any]:
            return {"review": pattern.invoke({"input": state["text"]})["output"]}

        graph = StateGraph(Both)
        graph.add_node("call", call)
        graph.add_edge(START, "call")
        assert run(graph.compile(), {"text": "x"}, mode)["review"] == "## a\nX"


class TestInside:
    @BOTH
    def test_patterns_nest_in_one_another(self, server: StubServer, mode: str) -> None:
        vote = create_voting(Voter("v", "Listen."), model=MODEL)
        guarded = create_guardrail("Listen.", [Guard("vote", run=vote, trip_on="x")], model=MODEL)
        graph = create_sectioning(
            [
                Section("vote", run=vote),
                Section("guarded", run=guarded),
                Section("own", "Listen."),
            ],
            model=MODEL,
            aggregate="merge",
        )
        state = run(graph, {"input": "one"}, mode)
        assert state["output"] == dict.fromkeys(("vote", "guarded", "own"), "heard one")
        calls = [branch["usage"]["calls"] for branch in state["report"]["branches"]]
        assert calls == [3, 4, 1]
        assert (sum(calls), state["report"]["usage"]["calls"]) == (len(server.requests), 8)

    @pytest.mark.parametrize("mode", STREAMS)
    def test_events_of_a_nested_pattern_stay_inside(self, server: StubServer, mode: str) -> None:
        inner = create_guardrail("Listen.", [Guard("g", run=lambda _: False)], model=MODEL)
        graph = create_sectioning([Section("in", run=inner)])
        seen = events(graph, {"input": "one"}, mode, ["messages", "updates"])
        assert [kind for kind, _ in seen] == ["updates"] * 3

    def test_a_conversation_goes_into_a_nested_pattern_as_a_conversation(
        self, server: StubServer
    ) -> None:
        graph = create_sectioning(
            [Section("in", run=guardrail())], aggregate="merge", input_key="messages"
        )
        talk: list[AnyMessage] = [HumanMessage("one"), AIMessage("yes?"), HumanMessage("two")]
        (message,) = run(graph, {"messages": talk})["messages"]
        assert message.content == '{\n  "in": "heard one, two"\n}'
