"""The agent: a vote decides what the customer wants, and a guard reads along while it answers."""

import re
from typing import Any

from langgraph.graph import START, MessagesState, StateGraph
from nodes.orders import look_up

from langgraph_parallel import Guard, Voter, create_guardrail, create_voting


class Conversation(MessagesState):
    """The agent's state."""

    topic: str


def names_card(conversation: list[dict[str, Any]]) -> bool:
    """Say whether the customer's last message has a number as long as a payment card's."""
    said = [message["content"] for message in conversation if message["role"] == "user"]
    return bool(re.search(r"(?:\d[ -]?){13,19}", said[-1]))


topic = create_voting(
    Voter("reader", "What does the customer ask about?"),
    options=["order", "refund", "other"],
    stop="quick",
    input_key="messages",
    output_key="topic",
)
answer = create_guardrail(
    "You work at a support desk. Answer the customer in two sentences.",
    [Guard("card", run=names_card)],
    refusal="Please never send card numbers.",
    input_key="messages",
)


def after_topic(state: Conversation) -> str:
    """Look up orders only where the customer asks about one."""
    return "answer" if state["topic"] == "other" else "orders"


builder = StateGraph(Conversation)
builder.add_node("find_topic", topic)
builder.add_node("orders", look_up)
builder.add_node("answer", answer)
builder.add_edge(START, "find_topic")
builder.add_conditional_edges("find_topic", after_topic, ["orders", "answer"])
builder.add_edge("orders", "answer")
agent = builder.compile(name="support_desk")
