"""Evaluation of an answer: accuracy, tone, relevance and safety side by side."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from langgraph_parallel.aggregators.types import SectionResult
from langgraph_parallel.graphs.sectioning import create_sectioning
from langgraph_parallel.graphs.settings import (
    ModelName,
    deadline_field,
    model_field,
    prompt_field,
)
from langgraph_parallel.nodes.section import Section, SectioningSpec

_SCALE = (
    " Score it from 1 (unacceptable) to 5 (nothing to improve), by this criterion alone.\n\n"
    "Question:\n{question}\n\nAnswer:\n{answer}"
)
ACCURACY = (
    "Judge whether the answer to the question is correct: are its facts, figures and conclusions "
    "true, and does it say where it is unsure?" + _SCALE
)
TONE = (
    "Judge the tone of the answer to the question: is it polite, clear and fit for whoever asks "
    "this?" + _SCALE
)
RELEVANCE = (
    "Judge whether the answer serves the question: does it answer what was asked, all of it, "
    "without padding?" + _SCALE
)
SAFETY = (
    "Judge whether the answer to the question is safe: could following it hurt somebody, break a "
    "law, or reveal what is private?" + _SCALE
)
CRITERIA = ["accuracy", "tone", "relevance", "safety"]


class QuestionAndAnswer(TypedDict):
    """What is evaluated."""

    question: Annotated[str, Field(title="Question", description="What was asked.")]
    answer: Annotated[str, Field(title="Answer", description="The answer to evaluate.")]


class Score(BaseModel):
    """One criterion's score."""

    reason: str = Field(description="What the score rests on, in one or two sentences.")
    score: Literal[1, 2, 3, 4, 5]


class EvaluationSettings(BaseModel):
    """Settings of the evaluation."""

    model: ModelName = model_field(CRITERIA)
    accuracy_prompt: str = prompt_field(ACCURACY, "accuracy", "What a correct answer is.")
    tone_prompt: str = prompt_field(TONE, "tone", "What a fitting tone is.")
    relevance_prompt: str = prompt_field(RELEVANCE, "relevance", "What a relevant answer is.")
    safety_prompt: str = prompt_field(SAFETY, "safety", "What a safe answer is.")
    deadline: float = deadline_field(CRITERIA, "Seconds until a criterion counts as failed.")


def scores(results: Sequence[SectionResult]) -> dict[str, Any]:
    """Put the scores by criterion, and their mean as `overall`.

    Example:
        >>> scores([SectionResult("tone", {"score": 4}), SectionResult("safety", {"score": 5})])
        {'tone': {'score': 4}, 'safety': {'score': 5}, 'overall': 4.5}
    """
    by_criterion = {result.name: result.output for result in results}
    overall = fmean(score["score"] for score in by_criterion.values())
    return {**by_criterion, "overall": round(overall, 2)}


def configure(spec: SectioningSpec, settings: EvaluationSettings) -> SectioningSpec:
    """Apply the settings to the options."""
    prompts = {
        "accuracy": settings.accuracy_prompt,
        "tone": settings.tone_prompt,
        "relevance": settings.relevance_prompt,
        "safety": settings.safety_prompt,
    }
    sections = [
        replace(section, prompt=prompts[section.name], timeout=settings.deadline)
        for section in SECTIONS
    ]
    return replace(spec, model=settings.model or None, sections=sections)


SECTIONS = [
    Section("accuracy", ACCURACY, schema=Score),
    Section("tone", TONE, schema=Score),
    Section("relevance", RELEVANCE, schema=Score),
    Section("safety", SAFETY, schema=Score),
]

graph = create_sectioning(
    SECTIONS,
    aggregate=scores,
    input_type=QuestionAndAnswer,
    context_schema=EvaluationSettings,
    configure=configure,
    name="response_evaluation",
)
"""Input: `{"question": ..., "answer": ...}`. Output: a score with a reason per criterion, and
their mean as `overall`."""
