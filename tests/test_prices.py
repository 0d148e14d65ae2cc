"""What runs cost, by list prices."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import genai_prices
import pytest
from drive import chat_model, in_background
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import FakeListLLM
from langchain_core.runnables import RunnableConfig
from stub_server import Reply, StubServer

from langgraph_parallel import Guard, Section, create_guardrail, create_sectioning
from langgraph_parallel.nodes.meter import add_usage, no_usage
from langgraph_parallel.nodes.prices import price_of
from langgraph_parallel.timeline import timeline

PRICED, UNKNOWN = "openai:gpt-4.1-mini", "openai:a-model-of-mine"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    with StubServer(default="It is fine.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "stub")
        yield server


def list_price(usage: Any) -> float:
    tokens = genai_prices.Usage(
        input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"]
    )
    return float(genai_prices.calc_price(tokens, "gpt-4.1-mini").total_price)


def reviewed(*models: str) -> Any:
    sections = [Section(f"part {i}", f"Review {i}.", model=m) for i, m in enumerate(models)]
    return create_sectioning(sections).invoke({"input": "x"})["report"]


@pytest.mark.usefixtures("stub")
class TestReport:
    def test_each_branch_and_the_whole_have_their_price(self) -> None:
        report = reviewed(PRICED, PRICED)
        costs = [branch["usage"]["cost"] for branch in report["branches"]]
        assert costs == [list_price(branch["usage"]) for branch in report["branches"]]
        assert report["usage"]["cost"] == pytest.approx(sum(costs))
        assert ", $0.0000" in timeline(report)

    def test_a_sum_with_an_unknown_price_is_left_out(self) -> None:
        report = reviewed(PRICED, UNKNOWN)
        assert "cost" in report["branches"][0]["usage"]
        assert "cost" not in report["branches"][1]["usage"]
        assert "cost" not in report["usage"]
        assert "$" not in timeline(report)


def test_a_cancelled_answer_is_priced_by_its_estimate(stub: StubServer) -> None:
    stub.on("Does it trip?", Reply({"tripped": True, "reason": "Yes."}, gate="guard"))
    stub.on("Write.", Reply("word " * 50, gate="rest", gate_after=5))
    graph = create_guardrail("Write.", [Guard("harm", "Does it trip?")], model=PRICED)

    def open_when_written() -> None:
        stub.wait_until(lambda log: log.waiting("rest") == 1 and log.waiting("guard") == 1, 30)
        stub.open("guard")

    opening = in_background(open_when_written)
    report = graph.invoke({"input": "x"})["report"]
    opening.result(5)
    cancelled = report["usage"]["cancelled"]
    assert cancelled["partial"]
    assert cancelled["cost"] == pytest.approx(list_price(cancelled))
    assert report["usage"]["cost"] > cancelled["cost"] > 0


def test_what_a_cache_of_the_provider_saves_is_seen() -> None:
    whole, cached = (price_of("openai", "gpt-4.1-mini", 1000, 10, cache_read=n) for n in (0, 900))
    assert whole is not None
    assert cached is not None
    assert 0 < cached < whole


@pytest.mark.parametrize(
    ("provider", "model"),
    [("", "gpt-4.1-mini"), ("openai", ""), ("nobody", "gpt-4.1-mini"), ("openai", "mine")],
)
def test_an_unknown_price_is_none(provider: str, model: str) -> None:
    assert price_of(provider, model, 1000, 10) is None


def test_a_reply_from_langchains_own_cache_is_free(stub: StubServer) -> None:
    model = chat_model(stub, "gpt-4.1-mini", cache=InMemoryCache())
    graph = create_sectioning([Section("tone", "Judge.")], model=model)
    first, again = (graph.invoke({"input": "x"})["report"]["usage"] for _ in range(2))
    assert first["cost"] > 0
    assert again["cost"] == 0
    assert len(stub.requests) == 1


def test_what_is_written_into_a_providers_cache_costs_more() -> None:
    model = "claude-sonnet-4-5"
    plain = price_of("anthropic", model, 1000, 10)
    written = price_of("anthropic", model, 1000, 10, cache_write=900)
    assert plain is not None
    assert written is not None
    assert written > plain


def test_a_model_that_completes_text_hides_the_sum(stub: StubServer) -> None:
    priced, text = chat_model(stub, "gpt-4.1-mini"), FakeListLLM(responses=["fine"])

    async def both(value: str, config: RunnableConfig) -> str:
        return (await priced.ainvoke(value, config)).text + await text.ainvoke(value, config)

    usage = create_sectioning([Section("both", run=both)]).invoke({"input": "x"})["report"]["usage"]
    assert usage["calls"] == 2
    assert "cost" not in usage


def test_an_odd_count_is_no_price_and_no_error() -> None:
    assert price_of("openai", "gpt-4.1-mini", -1, 10) is None


def test_nothing_spent_does_not_hide_a_price() -> None:
    spent = {**no_usage(), "calls": 1, "cost": 0.5}
    assert add_usage(no_usage(), spent)["cost"] == 0.5  # type: ignore[arg-type]
    assert "cost" not in add_usage(no_usage(), no_usage())


def test_without_the_package_there_is_no_price() -> None:
    code = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "from langgraph_parallel.nodes.prices import price_of\n"
        "print(price_of('openai', 'gpt-4.1-mini', 1000, 10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"None\n"
