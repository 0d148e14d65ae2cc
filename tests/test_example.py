"""The example: an agent with folders of its own named graphs and nodes, installed and run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from drive import MODEL
from stub_server import StubServer

EXAMPLE = Path(__file__).parents[1] / "examples" / "support_desk"
HOST = """
import graphs.support, nodes.orders
from langgraph_parallel import graphs as ours
from langgraph_parallel.nodes import voting
assert graphs.support.__file__ != ours.__file__
messages = graphs.support.agent.invoke({"messages": "Where is order 7?"})["messages"]
print([message.text for message in messages])
refused = graphs.support.agent.invoke({"messages": "My card is 4111 1111 1111 1111"})
print(refused["messages"][-1].text)
print(refused["topic"])
"""
TURNS = """
from graphs.support import agent
refused = agent.invoke({"messages": "My card is 4111 1111 1111 1111"})["messages"]
for turns in ([*refused, "Where is order 7?"], ["I mean 4111 1111", "1111 1111"]):
    print(agent.invoke({"messages": turns})["messages"][-1].text)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([sys.executable, "-m", *install, str(folder), str(EXAMPLE)], check=True)
    return folder


@pytest.fixture
def printed(
    server: StubServer, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    server.on("What does the customer ask about?", {"ballot": "order"})
    server.on("support desk", "It is on its way.")
    monkeypatch.setenv("LANGGRAPH_PARALLEL_MODEL", MODEL)
    monkeypatch.setenv("PYTHONPATH", str(installed))

    def run(program: str) -> list[str]:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, cwd=installed, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_a_host_with_folders_of_the_same_names_embeds_two_patterns(
    printed: Callable[[str], list[str]],
) -> None:
    answered, refused, topic = printed(HOST)
    order = "Order 7: left the warehouse on Monday."
    assert answered == str(["Where is order 7?", order, "It is on its way."])
    assert (refused, topic) == ("Please never send card numbers.", "order")


def test_a_card_number_is_looked_for_in_the_last_message_alone(
    printed: Callable[[str], list[str]],
) -> None:
    assert printed(TURNS) == ["It is on its way."] * 2
