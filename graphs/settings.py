"""Fields of the settings that LangGraph Studio shows as a form for the ready-made graphs.

The fields are plain JSON types, each with a default, so that the form has an entry for each. They
name the nodes that use them: there Studio shows them too.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

PATIENCE = 300.0
"""Seconds that a branch may take unless the settings say otherwise."""

Hearing = Literal["settled", "all"]
"""When a panel stops: as soon as nothing can change any more, or when all have voted."""


def stop_of(stop: str, votes: int) -> str:
    """Give the stop that a setting names.

    Args:
        stop: The name of a stop, or `"all"`.
        votes: Votes that are all.
    """
    return f"fixed_{votes}" if stop == "all" else stop


def _or_empty(model: Any) -> Any:
    return "" if model is None else model


ModelName = Annotated[str, BeforeValidator(_or_empty)]
"""A model string; empty, or `None`: the model is found in the environment."""


def prompt_field(default: str, node: str, description: str) -> Any:
    """Make a field for a prompt, which Studio edits at its node.

    Args:
        default: The prompt.
        node: Name of the node that uses it.
        description: What Studio says of it.
    """
    return Field(
        default,
        min_length=1,
        description=description,
        json_schema_extra={"langgraph_nodes": [node], "langgraph_type": "prompt"},
    )


def model_field(nodes: Sequence[str]) -> Any:
    """Make a field for the model string of all branches.

    Args:
        nodes: Names of the nodes that use it.
    """
    return setting(
        "",
        nodes,
        "Model, such as openai:gpt-4.1-mini or local; empty: found in the environment.",
    )


def deadline_field(
    nodes: Sequence[str], description: str, *, default: float = PATIENCE, most: float = 3600
) -> Any:
    """Make a field for seconds.

    Args:
        nodes: Names of the nodes that they bound.
        description: What Studio says of it.
        default: The seconds.
        most: The most that can be set.
    """
    return setting(default, nodes, description, ge=0.1, le=most)


def setting(default: Any, nodes: Sequence[str], description: str, **bounds: Any) -> Any:
    """Make a field that belongs to nodes.

    Args:
        default: Its default.
        nodes: Names of the nodes that use it.
        description: What Studio says of it.
        **bounds: Bounds, as `Field` takes them.
    """
    return Field(
        default,
        description=description,
        json_schema_extra={"langgraph_nodes": list(nodes)},
        **bounds,
    )
