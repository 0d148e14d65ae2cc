"""The example: an agent with folders of its own named graphs and nodes, installed and run."""

import subprocess
import sys
from pathlib import Path

import pytest
from drive import MODEL
from stub_server import StubServer

EXAMPLE = Path(__file__).parents[1] / "examples" / "support_desk"
PROGRAM = """
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


@pytest.mark.slow
def test_a_host_with_folders_of_the_same_names_embeds_two_patterns(
    server: StubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("What does the customer ask about?", {"ballot": "order"})
    server.on("support desk", "It is on its way.")
    monkeypatch.setenv("LANGGRAPH_PARALLEL_MODEL", MODEL)
    install = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target"]
    subprocess.run([sys.executable, "-m", *install, str(tmp_path), str(EXAMPLE)], check=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    answered, refused, topic = done.stdout.splitlines()
    order = "Order 7: left the warehouse on Monday."
    assert answered == str(["Where is order 7?", order, "It is on its way."])
    assert (refused, topic) == ("Please never send card numbers.", "order")
