"""From a prompt and an input to messages."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    BaseMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)

from langgraph_parallel.errors import SetupError

_OUTPUT_OF = (
    r"\b(?:output|outputs|result|results|finding|findings|report|answer|summary|reply)\s+"
    r"(?:of|from|by)\s+(?:the\s+)?[\"'`]?{name}\b"
    r"|\b{name}[\"'`]?(?:'s|\s+section's|\s+branch's)\s+"
    r"(?:output|result|findings|report|answer|summary|reply)"
    r"|\b{name}[\"'`]?\s+(?:section|branch)\b"
)


def is_conversation(value: Any) -> bool:
    """Say whether an input is a list of messages, as objects or as role-and-content dicts."""
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(
            isinstance(m, BaseMessage) or (isinstance(m, Mapping) and "role" in m) for m in value
        )
    )


def render(prompt: str, value: Any) -> list[BaseMessage]:
    """Make the messages of a call.

    Placeholders are replaced in one pass and only where they name the input: other braces, such
    as those of JSON or code, stay as they are, also inside the input.

    Args:
        prompt: The prompt.
        value: The input: text, a dict, a conversation, or other JSON-able data.

    Returns:
        One user message if the prompt has placeholders, else a system and a user message.

    Example:
        >>> [m.content for m in render("Is {input} {nice}?", "this")]
        ['Is this {nice}?']
        >>> [m.content for m in render("Judge the text.", "this")]
        ['Judge the text.', 'this']
    """
    if is_conversation(value):
        return [SystemMessage(prompt), *convert_to_messages(value)]
    fields = {**value, "input": value} if isinstance(value, Mapping) else {"input": value}
    pattern = re.compile("{(" + "|".join(re.escape(str(field)) for field in fields) + ")}")
    if pattern.search(prompt):
        return [HumanMessage(pattern.sub(lambda m: input_text(fields[m.group(1)]), prompt))]
    return [SystemMessage(prompt), HumanMessage(input_text(value))]


def input_text(value: Any) -> str:
    r"""Show an input as text: a dict field by field, a conversation message by message.

    Text stays as it is, and other data becomes JSON.

    Example:
        >>> input_text({"question": "Why?", "answer": "Because."})
        'question:\nWhy?\n\nanswer:\nBecause.'
    """
    if isinstance(value, str):
        return value
    if is_conversation(value):
        messages = convert_to_messages(value)
        return "\n\n".join(f"{message.type}: {message.text}" for message in messages)
    if isinstance(value, Mapping):
        return "\n\n".join(f"{key}:\n{input_text(part)}" for key, part in value.items())
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def check_independent(prompts: Mapping[str, str | None]) -> None:
    """Refuse a section that builds on another one: that is a chain, not parallel work.

    Args:
        prompts: The prompt of each section by name; `None` for a `run`.

    Raises:
        SetupError: A prompt has another section's name as a placeholder, or speaks of its output.
    """
    # Each text once, as the hundreds of sections of a dynamic fan-out mostly share theirs.
    names = {name: name.lower() for name in prompts}
    named = {text: _named(text, names) for text in dict.fromkeys(prompts.values()) if text}
    for name, prompt in prompts.items():
        for other, words in named.get(prompt or "", {}).items():
            if other != name:
                raise SetupError(
                    f"The prompt of section {name!r} names the output of section {other!r}"
                    f" ({words!r}). Sections run side by side and cannot see one another. Make it "
                    "one section, do it in the aggregate, or chain two graphs."
                )


def _named(prompt: str, names: Mapping[str, str]) -> dict[str, str]:
    """Give the sections whose output a prompt speaks of, and in which words."""
    found, text = {}, prompt.lower()
    for name, lower in names.items():
        if lower not in text:  # a hundred times as fast as a new regular expression
            continue
        pattern = _OUTPUT_OF.replace("{name}", re.escape(name))
        if spoken := re.search(pattern, prompt, re.IGNORECASE):
            found[name] = spoken.group()
        elif f"{{{name}}}" in prompt:
            found[name] = f"{{{name}}}"
    return found
