"""Several ballots from one request: the `n` choices of OpenAI's API, the prompt billed once."""

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables import RunnableConfig
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai import BadRequestError
from pydantic import BaseModel

from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.calls import CUT_OFF, json_schema, plain
from langgraph_parallel.nodes.meter import no_usage
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.run import Task

_NAMED = ("openai:", "gguf:", "local")


def has_choices(model: ModelLike) -> bool:
    """Say whether a model can give several choices: chat completions of OpenAI's kind.

    Example:
        >>> has_choices("openai:gpt-4.1-mini"), has_choices("anthropic:claude")
        (True, False)
    """
    if isinstance(model, BaseChatModel):
        is_streamed = getattr(model, "streaming", False) or getattr(model, "use_responses_api", 0)
        return isinstance(model, BaseChatOpenAI) and not is_streamed
    return model is not None and model.startswith(_NAMED)


async def ask_choices(
    model: BaseChatModel,
    messages: list[BaseMessage],
    schema: type[BaseModel] | None,
    n: int,
    config: RunnableConfig,
) -> list[Any]:
    """Ask a model for several choices in one request, and in further ones for those left out.

    Args:
        model: A model that `has_choices`.
        messages: What it is sent.
        schema: Pydantic model of each reply, or `None` for text.
        n: How many choices.
        config: Callbacks and tags of the branch.

    Returns:
        For each choice the text, the data of the schema, or a `ValueError` that says why it
        cannot be read.

    Raises:
        ValueError: The server gave none.
    """
    form: dict[str, Any] = {}
    if schema is not None:
        named = {"name": schema.__name__, "schema": json_schema(schema), "strict": True}
        form = {"response_format": {"type": "json_schema", "json_schema": named}}
    choices: list[Any] = []
    most = n
    while len(choices) < n:
        try:
            result = await model.agenerate(
                [messages],
                callbacks=config.get("callbacks"),
                tags=config.get("tags"),
                metadata=config.get("metadata"),
                n=min(most, n - len(choices)),
                **form,
            )
        except BadRequestError:
            if most == 1:
                raise
            most //= 2  # servers have bounds of their own, and some know a single choice only
            continue
        given = [g for g in result.generations[0] if isinstance(g, ChatGeneration)]
        if not given:
            raise ValueError(f"The server gave none of {n - len(choices)} choices.")
        choices += [_choice(generation, schema) for generation in given]
    return choices[:n]


def dealt(result: BranchResult, tasks: Sequence[Task]) -> list[BranchResult]:
    """Make the result of each task from that of the request they shared, whose output is a list.

    The first bears the usage of the whole request.
    """
    outputs = result["output"] if result["status"] == "ok" else [None] * len(tasks)
    return [
        BranchResult(
            **{
                **result,
                "index": task["index"],
                "output": output,
                "usage": no_usage() if number else result["usage"],
            }
        )
        for number, (task, output) in enumerate(zip(tasks, outputs, strict=True))
    ]


def _choice(generation: ChatGeneration, schema: type[BaseModel] | None) -> Any:
    text = generation.message.text
    if (generation.generation_info or {}).get("finish_reason") in CUT_OFF:
        return ValueError("The reply was cut off at the model's length limit.")
    if schema is None:
        return text
    try:
        return plain(schema.model_validate_json(text))
    except ValueError as error:
        return error
