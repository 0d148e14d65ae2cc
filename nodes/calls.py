"""Makes the call of a branch: asks a model, or runs what the user gave."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_openai.chat_models.base import BaseChatOpenAI
from langgraph.pregel import Pregel
from langgraph.runtime import Runtime
from openai import pydantic_function_tool
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from langgraph_parallel.nodes.limits import NODE_POOL
from langgraph_parallel.nodes.models import ModelLike, get_model
from langgraph_parallel.nodes.prompts import input_text
from langgraph_parallel.nodes.threads import in_thread

_keys_of: WeakKeyDictionary[Pregel[Any, Any, Any, Any], list[str]] = WeakKeyDictionary()

CUT_OFF = {"length", "max_tokens"}
"""How providers say that a reply reached its length limit."""


async def ask(
    model: BaseChatModel,
    messages: list[BaseMessage],
    schema: type[BaseModel] | None,
    config: RunnableConfig,
    *,
    whole: bool = False,
) -> Any:
    """Ask a model.

    Args:
        model: The chat model.
        messages: What it is sent.
        schema: Pydantic model of the reply, or `None` for text.
        config: Callbacks and tags of the branch.
        whole: Whether a text that was cut off at the model's length limit is refused too.

    Returns:
        The text, or an instance of the schema.

    Raises:
        NotImplementedError: A schema, and the model has no structured output.
        ValueError: The reply does not fit the schema, or was cut off.
    """
    if schema is None:
        message = await model.ainvoke(messages, config)
        if whole and _is_cut_off(message):
            raise ValueError("The reply was cut off at the model's length limit.")
        return message.text
    reply = await structured(model, schema).ainvoke(messages, config)
    if _is_cut_off(reply["raw"]):
        raise ValueError(
            f"The reply was cut off at the model's length limit before the {schema.__name__} was "
            "whole. Ask for less, or give a model with a higher limit."
        )
    if reply["parsing_error"] is not None:
        raise reply["parsing_error"]
    if reply["parsed"] is None:
        raise ValueError(f"The model gave no reply that fits the schema {schema.__name__}.")
    parsed = reply["parsed"]
    if not isinstance(parsed, (Mapping, BaseModel)):
        text = reply["raw"].text
        raise OutputParserException(f"The reply is no {schema.__name__}: {text}", llm_output=text)
    return parsed if isinstance(parsed, schema) else schema.model_validate(parsed)


def structured(model: BaseChatModel, schema: type[BaseModel]) -> Runnable[Any, Any]:
    """Bind a schema to a model; the reply has the keys `raw`, `parsed` and `parsing_error`.

    OpenAI's models get it as a JSON schema: given the class, LangChain lets Pydantic warn at each
    reply that is streamed inside.

    Raises:
        NotImplementedError: The model has no structured output.
    """
    if not isinstance(model, BaseChatOpenAI):
        return model.with_structured_output(schema, include_raw=True)
    strict = {"title": schema.__name__, **json_schema(schema)}
    return model.with_structured_output(strict, method="json_schema", strict=True, include_raw=True)


def json_schema(schema: type[BaseModel]) -> dict[str, Any]:
    """Give the JSON schema that OpenAI's models take strictly."""
    return dict(pydantic_function_tool(schema)["function"].get("parameters", {}))


def _is_cut_off(message: BaseMessage) -> bool:
    ended = message.response_metadata
    return bool(CUT_OFF & {ended.get("finish_reason"), ended.get("stop_reason")})


async def consult(
    function: Callable[..., Any],
    *arguments: Any,
    model: ModelLike,
    config: RunnableConfig,
    **named: Any,
) -> Any:
    """Call a sync or async function of the user's that may ask for more by name.

    Args:
        function: What to call; a plain function runs in a thread.
        *arguments: Its arguments.
        model: The pattern's model; a function with a parameter `model` gets the chat model.
        config: Offered as `config`, and for calls that it makes without one.
        **named: Further values that it can ask for by name.
    """
    config = user_config(config)
    var_child_runnable_config.set(config)
    offers: dict[str, Any] = {"config": config, **named}
    if "model" in wanted(function, {"model": None}):
        offers["model"] = await get_model(model)
    extra = wanted(function, offers)
    if is_async(function):
        return await function(*arguments, **extra)
    made = await in_thread(function, *arguments, **extra)
    return await made if isinstance(made, Awaitable) else made


async def run(
    target: Any, value: Any, config: RunnableConfig, runtime: Runtime[Any], **named: Any
) -> Any:
    """Run a Runnable, a compiled graph, or a sync or async function on the branch's input.

    Args:
        target: What to run. A function gets the input, and by name `config`, `runtime` and what
            else is in `named` if it has parameters of these names. Plain functions run in a thread.
        value: The input. A compiled graph gets it in its own input's shape (see `to_graph`).
        config: Callbacks and tags of the branch.
        runtime: LangGraph's runtime.
        **named: Further values that a function can ask for by name.
    """
    config = user_config(config)
    if isinstance(target, Pregel):
        return from_graph(target, await target.ainvoke(to_graph(target, value), config))
    if isinstance(target, Runnable):
        return await target.ainvoke(value, config)
    var_child_runnable_config.set(config)  # for calls that the function makes without a config
    extra = wanted(target, {"config": config, "runtime": runtime, **named})
    if is_async(target):
        return await target(value, **extra)
    result = await in_thread(target, value, **extra)
    return await result if isinstance(result, Awaitable) else result


def is_async(function: Callable[..., Any]) -> bool:
    """Say whether calling a function gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(type(function), "__call__", None)  # noqa: B004
    )


def wanted(function: Callable[..., Any], offers: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a function asks for: the offers that are names of its parameters.

    Example:
        >>> wanted(lambda text, *, config: None, {"config": {}, "runtime": None})
        {'config': {}}
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):  # a builtin without a signature
        return {}
    names = {p.name for p in parameters if p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}}
    return {name: offer for name, offer in offers.items() if name in names}


def user_config(config: RunnableConfig) -> RunnableConfig:
    """Take the library's own thread-pool size out of what the user's code gets."""
    if config.get("max_concurrency") != NODE_POOL:
        return config
    return {key: part for key, part in config.items() if key != "max_concurrency"}  # type: ignore[return-value]


def to_graph(graph: Pregel[Any, Any, Any, Any], value: Any) -> Any:
    """Give an input the shape of a graph's input state.

    A dict that has one of the graph's input keys stays as it is. Else the value goes under
    `messages`, as a conversation, if the graph has that key; under `input`; or under the only key.
    """
    keys = _input_keys(graph)
    if isinstance(value, Mapping) and any(key in keys for key in value):
        return value
    if "messages" in keys:
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        return {"messages": value if is_list else [HumanMessage(input_text(value))]}
    if "input" in keys or len(keys) == 1:
        return {"input" if "input" in keys else keys[0]: value}
    return value


def _input_keys(graph: Pregel[Any, Any, Any, Any]) -> list[str]:
    keys = _keys_of.get(graph)
    if keys is None:  # each look makes a class
        keys = _keys_of[graph] = list(graph.get_input_jsonschema().get("properties", {}))
    return keys


def from_graph(graph: Pregel[Any, Any, Any, Any], state: Any) -> Any:
    """Take the answer out of a graph's output state.

    `structured_response` if it is set; `output`; the text of the last message; the only key but
    `report`; else the whole state.
    """
    if not isinstance(state, Mapping):
        return state
    if state.get("structured_response") is not None:
        return state["structured_response"]
    if "output" in state:
        return state["output"]
    if state.get("messages"):
        return state["messages"][-1]
    keys = [key for key in state if key != "report"]
    return state[keys[0]] if len(keys) == 1 else dict(state)


def plain(value: Any) -> Any:
    """Turn an output into plain JSON-able data: a message becomes its text, a model a dict.

    Raises:
        TypeError: It holds something that JSON cannot show.

    Example:
        >>> plain({"scores": (1, 2)})
        {'scores': [1, 2]}
    """
    if isinstance(value, BaseMessage):
        return str(value.text)
    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise TypeError(
            f"The output of type {type(value).__name__} is not plain data ({error}). Return text, "
            "a number, a bool, a Pydantic model, or lists and dicts of these."
        ) from None
