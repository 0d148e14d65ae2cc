"""Side effects of an answer wait for the pass, and never happen after a denial."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from drive import MODEL, Graph, chat_model, in_background, run
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedState
from langgraph.store.memory import InMemoryStore
from stub_server import Reply, StubServer

from langgraph_parallel import BranchFailedError, Guard, SetupError, after_verdict, create_guardrail
from langgraph_parallel.nodes import dispatch
from langgraph_parallel.nodes.guard import REFUSAL

MODES = pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream", "batch"])
SECRET = "zebra"


class Paid:
    """What was paid, and whether somebody was about to."""

    def __init__(self) -> None:
        self.items: list[str] = []

    def pay(self, item: str) -> str:
        """Pay for an item."""
        self.items.append(item)
        return f"paid {item}"

    async def apay(self, item: str) -> str:
        """Pay for an item."""
        return self.pay(item)


class PayTool(BaseTool):
    name: str = "pay"
    description: str = "Pay for an item."
    paid: Any

    def _run(self, item: str) -> str:
        return str(self.paid.pay(item))


def plain_tool(paid: Paid) -> BaseTool:
    return tool("pay")(paid.pay)


def async_tool(paid: Paid) -> BaseTool:
    return tool("pay")(paid.apay)


def tool_with_both(paid: Paid) -> BaseTool:
    return StructuredTool.from_function(paid.pay, paid.apay, name="pay")


def tool_of_a_class(paid: Paid) -> BaseTool:
    return PayTool(paid=paid)


def tool_with_runtime(paid: Paid) -> BaseTool:
    @tool("pay")
    def pay(
        item: str,
        runtime: ToolRuntime[None, Any],
        state: Annotated[dict[str, Any], InjectedState],
        config: RunnableConfig,
    ) -> str:
        """Pay for an item."""
        assert runtime.tool_call_id
        assert state["messages"]
        assert "callbacks" in config
        return paid.pay(item)

    return pay


TOOLS: dict[str, Callable[[Paid], BaseTool]] = {
    "plain": plain_tool,
    "async": async_tool,
    "both": tool_with_both,
    "class": tool_of_a_class,
    "runtime": tool_with_runtime,
}


class PayingModel(BaseChatModel):
    """Calls the tool, and then answers."""

    calls: int = 0

    @property
    def _llm_type(self) -> str:
        return "paying"

    def bind_tools(self, *_: Any, **__: Any) -> "PayingModel":
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        reply = AIMessage("all paid")
        if not isinstance(messages[-1], ToolMessage):
            call = ToolCall(name="pay", args={"item": SECRET}, id="1")
            reply = AIMessage("", tool_calls=[call])
        self.calls += 1
        return ChatResult(generations=[ChatGeneration(message=reply)])


def agent_of(model: PayingModel, paid: Paid, make: Callable[[Paid], BaseTool]) -> Graph:
    made: Any = create_agent(model, [after_verdict(make(paid))])
    compiled: Graph = made
    return compiled


def judged(server: StubServer, respond: Any, *, trips: bool, **options: Any) -> Graph:
    server.on("Judge.", Reply({"tripped": trips, "reason": ""}, gate="guard"))
    return create_guardrail(respond, [Guard("g", "Judge.")], model=MODEL, **options)


class TestAgents:
    @MODES
    @pytest.mark.parametrize("kind", TOOLS)
    @pytest.mark.parametrize("trips", [True, False])
    def test_a_tool_waits_for_the_pass_and_never_runs_after_a_trip(
        self, server: StubServer, kind: str, mode: str, trips: bool
    ) -> None:
        paid, model = Paid(), PayingModel()
        graph = judged(server, agent_of(model, paid, TOOLS[kind]), trips=trips)
        running = in_background(lambda: run(graph, {"input": "buy"}, mode))
        runs = 2 if mode == "batch" else 1

        server.wait_until(lambda log: model.calls == runs and log.waiting("guard") == runs)
        before = list(paid.items)
        server.open("guard")
        state = running.result(10)
        assert before == []
        assert paid.items == ([] if trips else [SECRET] * runs)
        assert state["output"] == (REFUSAL if trips else "all paid")

    def test_outside_of_a_guardrail_it_just_runs(self) -> None:
        paid = Paid()
        agent = agent_of(PayingModel(), paid, plain_tool)
        assert agent.invoke({"messages": [("user", "buy")]})["messages"][-1].text == "all paid"
        assert paid.items == [SECRET]

    @pytest.mark.parametrize("kind", TOOLS)
    def test_a_tool_keeps_its_name_its_schema_and_its_class(self, kind: str) -> None:
        bare = TOOLS[kind](Paid())
        held = after_verdict(bare)
        assert (held.name, held.args, held.description) == (bare.name, bare.args, bare.description)
        assert isinstance(held, type(bare))
        assert type(held) is not type(bare)


def agent(*nodes: Any) -> Graph:
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(MessagesState)
    last = START
    for index, node in enumerate(nodes):
        graph.add_node(f"node{index}", node)
        graph.add_edge(last, f"node{index}")
        last = f"node{index}"
    return graph.compile()


def sync_node(paid: Paid) -> Any:
    @after_verdict
    def buy(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(paid.pay("it"))]}

    return agent(buy)


def async_node(paid: Paid) -> Any:
    @after_verdict
    async def buy(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        assert "configurable" in config
        return {"messages": [AIMessage(await paid.apay("it"))]}

    return agent(buy)


def graph_as_node(paid: Paid) -> Any:
    def buy(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(paid.pay("it"))]}

    return agent(after_verdict(agent(buy)))


def runnable(paid: Paid) -> Any:
    return after_verdict(RunnableLambda(lambda _: paid.pay("it")))


def function_in_a_thread(paid: Paid) -> Any:
    async def answer(text: str) -> str:
        return await asyncio.to_thread(after_verdict(paid.pay), "it")

    return answer


def sync_function(paid: Paid) -> Any:
    return lambda _: after_verdict(paid.pay)("it")


def sync_graph_in_a_function(paid: Paid) -> Any:
    def answer(text: str) -> str:
        inner = create_guardrail(sync_function(paid), [Guard("inner", run=lambda _: False)])
        return str(inner.invoke({"input": text})["output"])

    return answer


def inner_guardrail(paid: Paid) -> Any:
    return create_guardrail(sync_node(paid), [Guard("inner", run=lambda _: False)])


def blocking_inner_guardrail(paid: Paid) -> Any:
    guards = [Guard("inner", run=lambda _: False)]
    return create_guardrail(async_node(paid), guards, mode="blocking")


def detached_task(paid: Paid) -> Any:
    async def answer(text: str) -> str:
        return await asyncio.shield(asyncio.create_task(after_verdict(paid.apay)("it")))

    return answer


RESPONSES = [
    sync_node,
    async_node,
    graph_as_node,
    runnable,
    function_in_a_thread,
    sync_function,
    sync_graph_in_a_function,
    inner_guardrail,
    blocking_inner_guardrail,
    detached_task,
]


class TestFunctionsAndNodes:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("make", RESPONSES)
    @pytest.mark.parametrize("trips", [True, False])
    def test_they_wait_for_the_pass_and_never_run_after_a_trip(
        self, server: StubServer, make: Callable[[Paid], Any], mode: str, trips: bool
    ) -> None:
        paid = Paid()
        graph = judged(server, make(paid), trips=trips)
        running = in_background(lambda: run(graph, {"input": "buy"}, mode))
        server.wait_until(lambda log: log.waiting("guard") == 1)
        before = list(paid.items)
        server.open("guard")
        state = running.result(10)
        assert before == []
        assert paid.items == ([] if trips else ["it"])
        assert state["output"] == (REFUSAL if trips else "paid it")
        server.wait_until(lambda _: not any(live._working for live in dispatch._live.values()))

    @pytest.mark.parametrize("make", RESPONSES)
    async def test_they_never_run_when_the_caller_has_gone(
        self, server: StubServer, make: Callable[[Paid], Any]
    ) -> None:
        paid = Paid()
        graph = judged(server, make(paid), trips=False)
        running = asyncio.create_task(graph.ainvoke({"input": "buy"}))
        await server.until(lambda log: log.waiting("guard") == 1)
        running.cancel()
        await asyncio.wait([running])
        await server.until(lambda log: log.open_requests == 0)
        server.open("guard")
        for _ in range(100):
            await asyncio.sleep(0)
        assert paid.items == []

    def test_functions_keep_their_name_and_run_alone_outside(self) -> None:
        paid = Paid()
        held = after_verdict(paid.pay)
        assert (held.__name__, held("it"), paid.items) == ("pay", "paid it", ["it"])

    async def test_a_plain_function_on_the_event_loop_says_why_it_cannot_wait(
        self, server: StubServer
    ) -> None:
        async def answer(_: str) -> str:
            return after_verdict(Paid().pay)("it")

        graph = judged(server, answer, trips=False)
        running = asyncio.create_task(graph.ainvoke({"input": "x"}))
        await server.until(lambda log: log.waiting("guard") == 1)
        server.open("guard")
        with pytest.raises(Exception, match="Make it async, or call it in a thread"):
            await running

    @pytest.mark.parametrize("target", [3, None, "pay"])
    def test_what_cannot_be_held_up_is_refused(self, target: Any) -> None:
        with pytest.raises(SetupError, match="Give a tool, a function that returns its result"):
            after_verdict(target)

    def test_generators_are_refused(self) -> None:
        async def pieces(_: str) -> Any:
            yield "a"

        with pytest.raises(SetupError, match="cannot hold up"):
            after_verdict(pieces)


class TestNoTrace:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("kind", ["prompt", "agent"])
    async def test_blocked_text_is_in_no_message_checkpoint_or_store(
        self, server: StubServer, tmp_path: Path, mode: str, kind: str
    ) -> None:
        path, store, paid = tmp_path / "db.sqlite", InMemoryStore(), Paid()
        model = PayingModel()
        respond = "Answer." if kind == "prompt" else agent_of(model, paid, plain_tool)
        server.on("Answer.", Reply(f"the {SECRET} is here", gate="end", gate_after=3))
        guarded = judged(server, respond, trips=True, input_key="messages")
        graph = StateGraph(MessagesState).add_node("chat", guarded).add_edge(START, "chat")
        config = RunnableConfig(configurable={"thread_id": "1"})
        turn: Any = {"messages": [("user", "tell me")]}

        async def open_when_written() -> None:
            def is_written(log: StubServer) -> bool:
                answers = [r for r in log.requests if "Judge." not in r.request.text]
                is_begun = model.calls == 1 or any(r.generated >= 2 for r in answers)
                return log.waiting("guard") == 1 and is_begun

            await server.until(is_written)
            server.open("guard")

        opening = asyncio.create_task(open_when_written())
        if mode == "ainvoke":
            async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
                run_here = graph.compile(checkpointer=saver, store=store)
                state = await run_here.ainvoke(turn, config)
                seen = [saved async for saved in run_here.aget_state_history(config)]
        else:

            def work() -> tuple[Any, list[Any]]:
                with SqliteSaver.from_conn_string(str(path)) as saver:
                    run_here = graph.compile(checkpointer=saver, store=store)
                    found = run_here.invoke(turn, config)
                    return found, list(run_here.get_state_history(config))

            state, seen = await asyncio.to_thread(work)
        await opening
        assert [message.text for message in state["messages"]] == ["tell me", REFUSAL]
        assert seen
        connection = sqlite3.connect(path)
        connection.execute("vacuum")
        connection.close()
        raw = _bytes_in(tmp_path)
        assert b"tell me" in raw
        assert SECRET.encode() not in raw
        assert SECRET not in str(seen)
        assert store.search(()) == []
        assert paid.items == []

    @pytest.mark.parametrize("output_guards", [False, True])
    @pytest.mark.parametrize("trips", [True, False])
    async def test_an_agent_with_a_checkpointer_of_its_own_remembers_only_what_was_answered(
        self, server: StubServer, tmp_path: Path, trips: bool, output_guards: bool
    ) -> None:
        server.on("Judge.", Reply({"tripped": trips, "reason": ""}, gate="guard"))
        server.on("", lambda request: f"the {SECRET}, turn {len(request.messages)}")
        model = chat_model(server)
        config = RunnableConfig(configurable={"thread_id": "1"})
        path = tmp_path / "db.sqlite"
        async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
            agent: Any = create_agent(model, [], checkpointer=saver)
            # The guard that trips reads the input, or the answer.
            judge, free = [Guard("g", "Judge.")], [Guard("free", run=lambda _: False)]
            sides = (free, judge) if output_guards else (judge, free)
            graph = create_guardrail(agent, sides[0], output_guards=sides[1], model=MODEL)
            for turn in (1, 3):
                server.close_gate("guard")
                running = asyncio.create_task(graph.ainvoke({"input": "tell me"}, config))
                await server.until(
                    lambda log: (
                        log.waiting("guard") == 1
                        and any("Judge." not in r.request.text for r in log.requests)
                    )
                )
                server.open("guard")
                state = await running
                expected = f"the {SECRET}, turn {turn}"
                assert state["output"] == (REFUSAL if trips else expected)
            saved = await agent.aget_state(config)
        messages = saved.values.get("messages", [])
        assert len(messages) == (0 if trips else 4)
        assert (SECRET.encode() in _bytes_in(tmp_path)) is not trips

    @pytest.mark.usefixtures("no_waits")
    async def test_an_answer_that_cannot_be_remembered_fails_and_is_not_repeated(
        self, server: StubServer
    ) -> None:
        class Broken(InMemorySaver):
            async def aput(self, *args: Any, **kwargs: Any) -> Any:
                raise ConnectionError("no database")

        server.on("", "yes")
        agent: Any = create_agent(chat_model(server), [], checkpointer=Broken())
        graph = create_guardrail(agent, [Guard("free", run=lambda _: False)])
        config = RunnableConfig(configurable={"thread_id": "1"})
        with pytest.raises(BranchFailedError, match=r"could not be remembered: no database"):
            await graph.ainvoke({"input": "x"}, config)
        assert len(server.requests) == 1


def _bytes_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
