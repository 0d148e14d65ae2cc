"""Moderation: evaluators for different risks; a threshold of votes flags."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from langgraph_parallel.aggregators.rules import at_least
from langgraph_parallel.graphs.settings import (
    Hearing,
    ModelName,
    deadline_field,
    model_field,
    prompt_field,
    setting,
    stop_of,
)
from langgraph_parallel.graphs.voting import create_voting
from langgraph_parallel.nodes.voter import Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec

TOXICITY = (
    "You moderate posts for toxicity. Flag this text if it insults, threatens, mocks or demeans "
    "somebody, or hates a group. Strong language alone, quotes and criticism of ideas may stay."
)
HARM = (
    "You moderate posts for harm. Flag this text if it could bring somebody to hurt themselves or "
    "others, or shows how. News, grief and asking for help may stay."
)
LEGALITY = (
    "You moderate posts for legality. Flag this text if it sells, asks for or explains something "
    "that is a crime in most countries. Discussing laws may stay."
)
AUDIENCE = (
    "You moderate posts for a general audience. Flag this text if it is sexual, gory, or reveals "
    "private facts about a person. Medical and educational text may stay."
)
RISKS = ["toxicity", "harm", "legality", "audience"]


class Judgement(BaseModel):
    """What one evaluator decided."""

    reason: str = Field(description="What the decision rests on, in one sentence.")
    ballot: Literal["flag", "allow"]


class ModerationSettings(BaseModel):
    """Settings of the moderation."""

    model: ModelName = model_field(RISKS)
    toxicity_prompt: str = prompt_field(TOXICITY, "toxicity", "What is toxic.")
    harm_prompt: str = prompt_field(HARM, "harm", "What is harmful.")
    legality_prompt: str = prompt_field(LEGALITY, "legality", "What is illegal.")
    audience_prompt: str = prompt_field(AUDIENCE, "audience", "What is unfit for all ages.")
    threshold: int = setting(2, ["tally"], "Evaluators that must flag the text.", ge=1, le=4)
    stop: Hearing = setting(
        "settled",
        ["tally"],
        "When to stop. settled: once the threshold is reached, or out of reach; all: once all "
        "evaluators have voted.",
    )
    deadline: float = deadline_field(RISKS, "Seconds until an evaluator counts as failed.")


def configure(spec: VotingSpec, settings: ModerationSettings) -> VotingSpec:
    """Apply the settings to the options."""
    prompts = {
        "toxicity": settings.toxicity_prompt,
        "harm": settings.harm_prompt,
        "legality": settings.legality_prompt,
        "audience": settings.audience_prompt,
    }
    return replace(
        spec,
        voters=[
            replace(voter, prompt=prompts[voter.name], timeout=settings.deadline)
            for voter in EVALUATORS
        ],
        model=settings.model or None,
        rule=at_least(settings.threshold, "flag", "allow"),
        stop=stop_of(settings.stop, len(EVALUATORS)),
    )


EVALUATORS = [
    Voter("toxicity", TOXICITY, schema=Judgement),
    Voter("harm", HARM, schema=Judgement),
    Voter("legality", LEGALITY, schema=Judgement),
    Voter("audience", AUDIENCE, schema=Judgement),
]

graph = create_voting(
    EVALUATORS,
    options=["flag", "allow"],
    rule=at_least(2, "flag", "allow"),
    default="flag",
    input_type=Annotated[str, Field(title="Text", description="The text to moderate.")],
    context_schema=ModerationSettings,
    configure=configure,
    name="moderation",
)
"""Input: a text. Output: `flag` or `allow`; when evaluators fail and the others cannot decide
alone, the cautious `flag`."""
