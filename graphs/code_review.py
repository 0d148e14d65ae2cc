"""Code review: security, performance and style side by side, then one review."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from langgraph_parallel.aggregators.combine import synthesize
from langgraph_parallel.graphs.sectioning import create_sectioning
from langgraph_parallel.graphs.settings import (
    ModelName,
    deadline_field,
    model_field,
    prompt_field,
)
from langgraph_parallel.nodes.section import Section, SectioningSpec

SECURITY = (
    "You review code for security alone. Report what an attacker could use: injection, missing "
    "checks of input or rights, secrets in the code, unsafe parsing, unsafe files or commands. "
    "Leave out what is merely slow or ugly. No finding is a good result: do not invent one."
)
PERFORMANCE = (
    "You review code for performance alone. Report needless work: repeated queries or reads, "
    "quadratic loops, copies, missing batches, blocking waits, resources that are never freed. "
    "Say for which input it matters. No finding is a good result: do not invent one."
)
STYLE = (
    "You review code for readability alone. Report what makes it hard to read or change: unclear "
    "names, dead code, duplication, functions with several jobs, swallowed errors, missing types. "
    "Leave formatting to tools. No finding is a good result: do not invent one."
)
REVIEWERS = ["security", "performance", "style"]
SYNTHESIS = (
    "Three reviewers have read the same code: for security, performance and style. Write one "
    "review for its author: the findings in order of severity, each with its line, the problem and "
    "the fix, nothing twice and nothing of your own. End with one sentence: merge it or not."
)


class Finding(BaseModel):
    """One problem in the code."""

    line: int = Field(description="Line number, counted from 1.")
    severity: Literal["high", "medium", "low"]
    problem: str = Field(description="What is wrong, in one sentence.")
    fix: str = Field(description="What to do about it, in one sentence.")


class Findings(BaseModel):
    """What one reviewer found."""

    findings: list[Finding] = Field(max_length=8, description="Most severe first; may be empty.")


class CodeReviewSettings(BaseModel):
    """Settings of the code review."""

    model: ModelName = model_field([*REVIEWERS, "reduce"])
    security_prompt: str = prompt_field(
        SECURITY, "security", "What the security reviewer looks for."
    )
    performance_prompt: str = prompt_field(
        PERFORMANCE, "performance", "What the performance reviewer looks for."
    )
    style_prompt: str = prompt_field(STYLE, "style", "What the style reviewer looks for.")
    synthesis_prompt: str = prompt_field(SYNTHESIS, "reduce", "How the three become one review.")
    deadline: float = deadline_field(REVIEWERS, "Seconds until a reviewer counts as failed.")


def configure(spec: SectioningSpec, settings: CodeReviewSettings) -> SectioningSpec:
    """Apply the settings to the options."""
    prompts = (settings.security_prompt, settings.performance_prompt, settings.style_prompt)
    return replace(
        spec,
        model=settings.model or None,
        sections=[
            replace(section, prompt=prompt, timeout=settings.deadline)
            for section, prompt in zip(SECTIONS, prompts, strict=True)
        ],
        aggregate=synthesize(settings.synthesis_prompt),
    )


SECTIONS = [
    Section("security", SECURITY, schema=Findings),
    Section("performance", PERFORMANCE, schema=Findings),
    Section("style", STYLE, schema=Findings),
]

graph = create_sectioning(
    SECTIONS,
    aggregate=synthesize(SYNTHESIS),
    input_type=Annotated[str, Field(title="Code", description="The source code to review.")],
    context_schema=CodeReviewSettings,
    configure=configure,
    name="code_review",
)
"""Input: source code. Output: the review as text; the findings are in the report's branches."""
