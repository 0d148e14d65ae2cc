"""Draws the three patterns for the README: `python tests/support/drawings.py` renews them."""

from pathlib import Path
from typing import Any

from langgraph.pregel import Pregel

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- drawings -->\n", "<!-- /drawings -->"


def drawings() -> str:
    """Draw the patterns as Mermaid text, each under its name."""
    graphs = {
        "Sectioning": create_sectioning(
            [Section("security", "x"), Section("performance", "x"), Section("style", "x")]
        ),
        "Voting": create_voting(Voter("vote", "x"), options=["yes", "no"]),
        "Guardrail": create_guardrail("x", [Guard("injection", "x"), Guard("harm", "x")]),
    }
    return "\n".join(
        f"**{name}**\n\n```mermaid\n{_mermaid(graph)}\n```\n" for name, graph in graphs.items()
    )


def _mermaid(graph: Pregel[Any, Any, Any, Any]) -> str:
    text = graph.get_graph().draw_mermaid(with_styles=False)
    return text.replace("graph TD", "graph LR").strip()


def with_drawings(text: str) -> str:
    """Put the current drawings between the marks of a text."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}{drawings()}{rest[rest.index(END) :]}"


if __name__ == "__main__":
    README.write_text(with_drawings(README.read_text()))
