"""How the context of a run changes a pattern's options."""

from collections.abc import Callable
from typing import Any, TypeVar

from langgraph.runtime import Runtime

Spec = TypeVar("Spec")

Configure = Callable[[Spec, Any], Spec]
"""From a pattern's options and the run's context to the options of this run.

The options are a frozen dataclass: give a changed copy. Each node of the graph that needs them
calls the function, with an object of the class `context_schema`: the context of the run, or the
class's defaults where the run has none.

Example:
    ```python
    from dataclasses import dataclass, replace

    from langgraph_parallel import Voter, create_voting

    @dataclass
    class Settings:
        votes: int = 5

    mood = create_voting(
        Voter("mood", "What is the mood of this text?"),
        options=["good", "bad"],
        context_schema=Settings,
        configure=lambda spec, settings: replace(spec, max_votes=settings.votes),
    )
    mood.invoke({"input": "It does what it says."}, context=Settings(votes=9))
    ```
"""


def configured(
    spec: Spec,
    configure: Configure[Spec] | None,
    context_schema: type[Any] | None,
    runtime: Runtime[Any],
) -> Spec:
    """Give the options of this run.

    The context of a parent graph that has another schema is not meant for this pattern: then, as
    without a context, the schema's defaults hold.

    Args:
        spec: The options that the graph was built with.
        configure: Changes them by the context, if given.
        context_schema: The class of the context.
        runtime: LangGraph's runtime, which has the context.
    """
    if configure is None or context_schema is None:
        return spec
    context = runtime.context
    return configure(spec, context if isinstance(context, context_schema) else context_schema())
