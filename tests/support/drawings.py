"""Draws the three patterns for the README: `python tests/support/drawings.py` renews them."""

from collections.abc import Mapping
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


def graphs() -> Mapping[str, Pregel[Any, Any, Any, Any]]:
    """Build one graph of each pattern, by the name of its drawing."""
    sections = [Section("security", "x"), Section("performance", "x"), Section("style", "x")]
    guards = [Guard("injection", "x"), Guard("harm", "x")]
    return {
        "sectioning": create_sectioning(sections),
        "voting": create_voting(Voter("vote", "x"), options=["yes", "no"]),
        "guardrail": create_guardrail("x", guards),
    }


def with_drawings(text: str) -> str:
    """Put the current drawings between the marks of a text."""
    for name, graph in graphs().items():
        begin, end = f"<!-- drawing: {name} -->\n", "<!-- /drawing -->"
        head, rest = text.split(begin)
        mermaid = graph.get_graph().draw_mermaid(with_styles=False).replace("graph TD", "graph LR")
        text = f"{head}{begin}```mermaid\n{mermaid.strip()}\n```\n{rest[rest.index(end) :]}"
    return text


if __name__ == "__main__":
    README.write_text(with_drawings(README.read_text()))
