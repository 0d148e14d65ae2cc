"""How the sections' results become one answer."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from langgraph_parallel.aggregators.types import Aggregate, SectionResult
from langgraph_parallel.errors import SetupError

SYNTHESIS_PROMPT = (
    "Several specialists have looked at the same task, each at one side of it. Write one answer "
    "from their reports: the most important points first, nothing twice, no point of your own, "
    "and where reports disagree say so."
)
"""What `synthesize` tells the model when it is given no prompt."""


def as_text(value: Any) -> str:
    r"""Show a section's output as text: text as it is, data as indented JSON.

    Example:
        >>> as_text("fine"), as_text({"score": 4})
        ('fine', '{\n  "score": 4\n}')
    """
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def join(*, heading: str = "## {name}") -> Aggregate:
    r"""Put the texts under one another, each under a heading with its section's name.

    Failed sections are left out (the report has them). No results give an empty text.

    Args:
        heading: The line above each text; `{name}` is the section's name. Empty for none.

    Example:
        >>> join(heading="{name}:")([SectionResult("a", "one"), SectionResult("b", "two")])
        'a:\none\n\nb:\ntwo'
    """

    def aggregate(results: Sequence[SectionResult]) -> str:
        parts = [(heading.replace("{name}", r.name), as_text(r.output)) for r in results]
        return "\n\n".join(f"{head}\n{text}" if head else text for head, text in parts)

    return aggregate


def merge() -> Aggregate:
    """Give one dict: each section's output under its name.

    Failed sections are left out (the report has them). No results give an empty dict.

    Example:
        >>> merge()([SectionResult("tone", {"score": 4}), SectionResult("safety", {"score": 5})])
        {'tone': {'score': 4}, 'safety': {'score': 5}}
    """

    def aggregate(results: Sequence[SectionResult]) -> dict[str, Any]:
        return {result.name: result.output for result in results}

    return aggregate


def synthesize(prompt: str = SYNTHESIS_PROMPT, *, model: BaseChatModel | None = None) -> Aggregate:
    """Have a model write one text from all results, in one more call.

    Its tokens are the pattern's answer: they stream under `stream_mode="messages"`. No results
    give an empty text without a call.

    Args:
        prompt: What to make of the results, as the system message; by default one answer without
            repetitions that says where the results disagree.
        model: The chat model for this call; the pattern's own when left out.

    Example:
        ```python
        create_sectioning(sections, aggregate=synthesize("Merge these reviews into one."))
        ```
    """
    own_model = model

    async def aggregate(
        results: Sequence[SectionResult], *, model: BaseChatModel, config: RunnableConfig
    ) -> BaseMessage | str:
        if not results:
            return ""
        messages = [SystemMessage(prompt), HumanMessage(str(join()(results)))]
        return await (own_model or model).ainvoke(messages, config)

    return aggregate


def aggregate_named(name: str) -> Aggregate:
    """Build an aggregate from its name.

    Args:
        name: `join`, `merge` or `synthesize`.

    Raises:
        SetupError: Unknown name.

    Example:
        >>> aggregate_named("merge")([SectionResult("a", 1)])
        {'a': 1}
    """
    factories: dict[str, Callable[[], Aggregate]] = {
        "join": join,
        "merge": merge,
        "synthesize": synthesize,
    }
    if name not in factories:
        raise SetupError(
            f"Unknown aggregate {name!r}. Allowed: {', '.join(map(repr, factories))}, or a "
            "function of your own from the results to the answer."
        )
    return factories[name]()
