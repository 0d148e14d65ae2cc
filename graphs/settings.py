"""Fields of the settings that LangGraph Studio shows as a form for the ready-made graphs."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field


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
    return Field(
        None,
        description="Model, such as openai:gpt-4.1-mini or local; empty: found in the environment.",
        json_schema_extra={"langgraph_nodes": list(nodes)},
    )
