"""Sections, and the options of a sectioning graph."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph_parallel.aggregators.types import Aggregate
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch, check_names, check_retries
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.prompts import check_independent


@dataclass(frozen=True, kw_only=True)
class Section(Branch):
    """An independent part of a task.

    Example:
        >>> Section("tone", "Is the tone of this letter right?").name
        'tone'
    """

    input: Any = None
    """This section's own input, such as a chunk; the graph's input when left out."""
    required: bool = True
    """Whether the whole run fails when this section does."""


Sections = Sequence[Section] | Callable[[Any], Sequence[Section] | Awaitable[Sequence[Section]]]
"""The sections, or a sync or async function from the graph's input to the sections."""


@dataclass(frozen=True)
class SectioningSpec:
    """The options of a sectioning graph."""

    sections: Sections
    aggregate: Aggregate
    model: ModelLike = None
    min_success: int | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            SetupError: See `check_sections`; or `min_success` cannot be reached.
        """
        check_retries(self.retries)
        if not callable(self.aggregate):
            raise SetupError(
                f"aggregate={self.aggregate!r} cannot be called. Give a name or a function."
            )
        if self.min_success is not None and self.min_success < 0:
            raise SetupError(f"min_success={self.min_success} means nothing. Give 0 or more.")
        if not callable(self.sections):
            check_sections(self.sections)
            count = len(self.sections)
            if self.min_success is not None and self.min_success > count:
                raise SetupError(
                    f"min_success={self.min_success} cannot hold for {count} sections. Give a "
                    f"number from 0 to {count}, or None: then each required section must succeed."
                )


def check_sections(sections: Sequence[Section], reserved: Sequence[str] = ()) -> None:
    """Check sections against one another.

    Raises:
        SetupError: There are none, two of one name, a reserved name, a prompt that builds on
            another section, or something that is not a section.
    """
    for section in sections:
        if not isinstance(section, Section):
            raise SetupError(f"{section!r} is not a section. Give Section('name', 'prompt').")
    check_names("section", [section.name for section in sections], reserved)
    check_independent({section.name: section.prompt for section in sections})
