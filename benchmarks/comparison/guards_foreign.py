"""Guardrails with libraries that only this comparison needs, as their own pages write them."""

# pyright: reportMissingImports=false

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai import AgentRunResultEvent, PartDeltaEvent, PartStartEvent, TextPartDelta
from pydantic_ai.messages import TextPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai_harness import InputGuardrail as PydanticInputGuardrail

from comparison.scene import ANSWER, JUDGE, QUESTION, REFUSAL, Case, Contender, Verdict


async def agents_sdk(
    case: Case, *, in_parallel: bool, is_streamed: bool = True
) -> AsyncIterator[str]:
    """The OpenAI Agents SDK: the guardrail is an agent with an output type."""
    set_tracing_disabled(disabled=True)
    client = AsyncOpenAI(base_url=case.url, api_key="stub")
    model = OpenAIChatCompletionsModel(model="stub-model", openai_client=client)
    judge = Agent(name="judge", instructions=JUDGE, model=model, output_type=Verdict)

    async def check(context: Any, agent: Any, text: Any) -> Any:
        result = await Runner.run(judge, text, context=context.context)
        verdict = result.final_output
        return GuardrailFunctionOutput(output_info=verdict, tripwire_triggered=verdict.tripped)

    agent = Agent(
        name="assistant",
        instructions=ANSWER,
        model=model,
        tools=[function_tool(case.pay)] if case.has_tool else [],
        input_guardrails=[InputGuardrail(guardrail_function=check, run_in_parallel=in_parallel)],
    )
    if not is_streamed:
        yield (await Runner.run(agent, QUESTION)).final_output
        return
    result = Runner.run_streamed(agent, QUESTION)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta


async def pydantic_ai(case: Case, *, in_parallel: bool) -> AsyncIterator[str]:
    """Pydantic AI with the input guardrail of its harness."""
    client = AsyncOpenAI(base_url=case.url, api_key="stub")
    model = OpenAIChatModel("stub-model", provider=OpenAIProvider(openai_client=client))
    judge = PydanticAgent(model, instructions=JUDGE, output_type=Verdict)

    async def allows(prompt: str) -> bool:
        return not (await judge.run(prompt)).output.tripped

    agent = PydanticAgent(
        model,
        instructions=ANSWER,
        tools=[case.pay] if case.has_tool else [],
        capabilities=[PydanticInputGuardrail(guard=allows, parallel=in_parallel)],
    )
    is_answered, output = False, None
    async with agent.run_stream_events(QUESTION) as events:
        async for event in events:
            text = ""
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                text = event.part.content
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                text = event.delta.content_delta
            elif isinstance(event, AgentRunResultEvent):
                output = event.result.output
            if text and "blocked" not in text:
                is_answered = True
                yield text
    if not is_answered or (output and "blocked" in output):
        yield REFUSAL


CONTENDERS: dict[str, Contender] = {
    "OpenAI Agents SDK": partial(agents_sdk, in_parallel=True),
    "OpenAI Agents SDK, no streaming": partial(agents_sdk, in_parallel=True, is_streamed=False),
    "OpenAI Agents SDK, not in parallel": partial(agents_sdk, in_parallel=False),
    "Pydantic AI harness, parallel": partial(pydantic_ai, in_parallel=True),
    "Pydantic AI harness": partial(pydantic_ai, in_parallel=False),
}
