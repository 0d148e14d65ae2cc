"""From a prompt and an input to messages, and which prompts are chains."""

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from langgraph_parallel import SetupError
from langgraph_parallel.nodes.prompts import check_independent, input_text, render

TALK = [HumanMessage("Hi"), AIMessage("Yes?"), HumanMessage("Why?")]
DICTS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]


@pytest.mark.parametrize(
    ("prompt", "value", "messages"),
    [
        ("Judge.", "text", ["Judge.", "text"]),
        ("Judge {input}.", "text", ["Judge text."]),
        ("Judge {input} and {input}.", "text", ["Judge text and text."]),
        ('As {"json": 1} or {} or {x}.', "t", ['As {"json": 1} or {} or {x}.', "t"]),
        ("Judge {input}.", "{input} {x}", ["Judge {input} {x}."]),
        ("{q}: {a}", {"q": "{a}", "a": "{q}"}, ["{a}: {q}"]),
        ("{q}", {"q": "one", "a": "two"}, ["one"]),
        ("Judge.", {"q": "one", "a": 2}, ["Judge.", "q:\none\n\na:\n2"]),
        ("{input}", {"q": "one"}, ["q:\none"]),
        ("{input}", {"input": "one"}, ["input:\none"]),
        ("{a.b}", {"a.b": "one"}, ["one"]),
        ("Sum {input}.", [1, 2], ["Sum [\n  1,\n  2\n]."]),
        ("Judge.", "", ["Judge.", ""]),
        ("Go on.", TALK, ["Go on.", "Hi", "Yes?", "Why?"]),
        ("Go on.", DICTS, ["Go on.", "Hi", "Yes?"]),
        ("Go on with {input}.", TALK, ["Go on with {input}.", "Hi", "Yes?", "Why?"]),
    ],
)
def test_placeholders_are_filled_once_and_all_else_stays(
    prompt: str, value: Any, messages: list[str]
) -> None:
    made = render(prompt, value)
    assert [message.text for message in made] == messages
    assert made[0].type == ("system" if len(messages) > 1 else "human")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (3, "3"),
        (None, "null"),
        (["é"], '[\n  "é"\n]'),
        ([], "[]"),
        ({"a": ["x"]}, 'a:\n[\n  "x"\n]'),
        (TALK, "human: Hi\n\nai: Yes?\n\nhuman: Why?"),
        ({1, 2}, '"{1, 2}"'),
    ],
)
def test_any_input_can_be_shown_as_text(value: Any, text: str) -> None:
    assert input_text(value) == text


@pytest.mark.parametrize(
    "prompt",
    [
        "Say more than {style} does.",
        "Use the output of style.",
        "Start from the findings of the Style.",
        "Take the result from the 'style' into account.",
        "Agree with style's report.",
        "See what the style section says.",
    ],
)
def test_a_prompt_that_names_anothers_output_is_a_chain(prompt: str) -> None:
    with pytest.raises(SetupError, match="'security' names the output of section 'style'"):
        check_independent({"security": prompt, "style": "Judge."})


@pytest.mark.parametrize(
    "prompt",
    [
        "Judge security. Leave out style; somebody else looks at it.",
        "The answer is by security engineers.",
        "Say what hinders: style, names, or {input}.",
        "Look at the result of stylesheets.",
        "Use the output of security.",
        None,
    ],
)
def test_a_prompt_that_only_uses_the_word_is_none(prompt: str | None) -> None:
    check_independent({"security": prompt, "style": "Judge."})


def test_the_check_of_a_thousand_sections_takes_no_time() -> None:
    names = [f"s{number}" for number in range(1000)]
    began = time.process_time()
    check_independent(dict.fromkeys(names, "Judge."))
    check_independent({name: f"Judge {number}." for number, name in enumerate(names)})
    assert time.process_time() - began < 2  # a regular expression for each pair took minutes


def test_a_section_that_shares_its_prompt_with_others_may_be_the_one_it_names() -> None:
    prompt = "Start from the output of style."
    with pytest.raises(SetupError, match="'security' names the output of section 'style'"):
        check_independent({"style": prompt, "security": prompt})
