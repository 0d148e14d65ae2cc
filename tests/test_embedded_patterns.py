"""The three patterns on the embedded model, for real."""

import asyncio
from typing import Any

import pytest

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)

pytest.importorskip("xllamacpp", reason="needs the extra 'local'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CITY = "Which city is the capital of France?"


def test_sections_answer_and_a_synthesis_streams() -> None:
    graph = create_sectioning(
        [
            Section("history", "Tell one fact of this city's history in one sentence."),
            Section("food", "Name one dish of this city in one sentence."),
        ],
        model="local",
        aggregate="synthesize",
    )
    tokens: list[str] = []
    result: dict[str, Any] = {}
    stream: Any = graph.stream({"input": "Paris"}, stream_mode=["messages", "values"])
    for mode, part in stream:
        if mode == "messages":
            tokens.append(part[0].text)
        else:
            result = part
    assert len(tokens) > 3
    assert "".join(tokens) == result["output"]
    assert [branch["status"] for branch in result["report"]["branches"]] == ["ok", "ok"]
    for branch in result["report"]["branches"]:
        assert branch["model"] == "local"
        assert branch["usage"]["output_tokens"] > 0


def test_a_vote_gives_one_of_the_options() -> None:
    graph = create_voting(
        Voter("geographer", "Answer the question."),
        options=["Paris", "London", "Berlin"],
        stop="fixed_3",
        model="local",
    )
    result = graph.invoke({"input": CITY})
    assert result["output"] in {"Paris", "London", "Berlin"}
    assert sum(result["report"]["counts"].values()) == 3


def test_a_guarded_answer_streams_after_the_pass_and_is_cancelled_by_a_trip() -> None:
    verdict = asyncio.Event()

    async def waits(text: str) -> bool:
        await verdict.wait()
        return "forbidden" in text

    graph = create_guardrail(
        "Write a long story about the sea.", [Guard("waits", run=waits, timeout=60)], model="local"
    )

    async def ask(text: str) -> tuple[list[str], dict[str, Any]]:
        verdict.clear()
        tokens: list[str] = []
        result: dict[str, Any] = {}
        stream: Any = graph.astream({"input": text}, stream_mode=["custom", "messages", "values"])
        async for mode, part in stream:
            if (
                mode == "custom"
                and part["event"] == "branch_started"
                and part["branch"] == "respond"
            ):
                assert not tokens, "a token left before the verdict"
                asyncio.get_running_loop().call_later(0.5, verdict.set)  # while it is writing
            elif mode == "messages":
                tokens.append(str(part[0].text))
            elif mode == "values":
                result = part
        return tokens, result

    async def both() -> None:
        tokens, result = await ask("the sea")
        assert "".join(tokens) == result["output"]
        assert result["report"]["verdict"] == "passed"
        tokens, result = await ask("the forbidden sea")
        assert not tokens
        report: dict[str, Any] = result["report"]
        assert report["verdict"] == "blocked"
        answer = report["branches"][-1]
        assert answer["status"] == "cancelled"
        assert answer["usage"]["partial"]

    asyncio.run(both())
