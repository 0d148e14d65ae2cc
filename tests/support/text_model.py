"""A chat model as those are that have no structured output."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class TextModel(BaseChatModel):
    """A chat model without structured output, which answers by the content."""

    replies: dict[str, str]

    @property
    def _llm_type(self) -> str:
        return "text"

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **__: Any
    ) -> ChatResult:
        text = "\n".join(message.text for message in messages)
        reply = next(reply for key, reply in self.replies.items() if key in text)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply))])
