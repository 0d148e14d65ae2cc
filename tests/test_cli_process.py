"""The command as a process of its own: terminal, signals, environment, the demonstration."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from drive import KEY
from stub_server import Reply, StubServer

COMMAND = (sys.executable, "-m", "langgraph_parallel")
MODEL = ("--model", "openai:stub-model")

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command; what still runs after the test is killed."""
    with contextlib.ExitStack() as processes:

        def run(
            *arguments: str,
            stdin: int = subprocess.DEVNULL,
            stdout: int = subprocess.PIPE,
            stderr: int = subprocess.PIPE,
        ) -> "subprocess.Popen[bytes]":
            process = subprocess.Popen(
                [*COMMAND, *arguments], stdin=stdin, stdout=stdout, stderr=stderr
            )
            processes.enter_context(process)
            processes.callback(process.kill)
            return process

        yield run


def finish(process: "subprocess.Popen[bytes]") -> tuple[int, str, str]:
    """Wait for a process; whatever it did, it shows no traceback and no key."""
    out, err = (part.decode() if part else "" for part in process.communicate(timeout=60))
    assert "Traceback" not in out + err
    assert KEY not in out + err
    return process.returncode, out, err


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_missing_extra_is_named(package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from langgraph_parallel.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode() == (
        f"Error: The command line needs the package {package}, which is not installed. Run "
        "`pip install 'langgraph-parallel[cli]'`.\n"
    )


def test_reader_that_has_left_is_no_error(start: Start) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    _, _, err = finish(start("draw", "classify", stdout=writer))
    os.close(writer)
    assert err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupt_closes_the_calls_and_is_quiet(server: StubServer, start: Start) -> None:
    server.on("", Reply("never", gate="closed"))
    process = start("moderate", "text", *MODEL)
    server.wait_until(lambda log: log.waiting("closed") >= 2, timeout=60)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (130, "", "")
    server.wait_until(lambda log: log.open_requests == 0)
    assert {record.status for record in server.requests} == {"client_closed"}


class Terminal:
    """A pseudo-terminal: what a process writes to it, and its end for the process."""

    def __init__(self, ours: int, theirs: int) -> None:
        self._ours, self.theirs = ours, theirs
        self.shown = ""

    def read_until(self, text: str) -> None:
        """Read until a text was shown."""
        self._read(lambda: text in self.shown)
        assert text in self.shown

    def read_to_end(self) -> None:
        """Read until the process has ended."""
        self._read(lambda: False)

    def _read(self, is_enough: Callable[[], bool]) -> None:
        with contextlib.suppress(OSError):  # how the end shows on Linux
            while not is_enough() and (part := os.read(self._ours, 4096)):
                self.shown += part.decode()

    def close_theirs(self) -> None:
        """Leave the process as the only one that has its end."""
        os.close(self.theirs)

    def close(self) -> None:
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    pty = pytest.importorskip("pty", reason="needs pseudo-terminals")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(*pty.openpty())
    yield terminal
    terminal.close()


def test_answer_comes_token_by_token_on_a_terminal(
    server: StubServer, terminal: Terminal, start: Start
) -> None:
    server.on("You guard", {"reason": "Fine.", "tripped": False})
    server.on("helpful", Reply("one two \x1b[2Jthree four", gate="rest", gate_after=2))
    process = start("respond", "Why?", *MODEL, stdout=terminal.theirs)
    terminal.close_theirs()
    terminal.read_until("two")
    assert terminal.shown.split() == ["one", "two"]
    server.open("rest")
    terminal.read_to_end()
    code, _, err = finish(process)
    assert code == 0
    assert terminal.shown.split() == ["one", "two", "[2Jthree", "four"]
    assert re.search(r"verdict at .* s: passed", err)


def test_synthesis_streams_too_but_not_as_json(
    server: StubServer, terminal: Terminal, start: Start
) -> None:
    server.on("You review code", {"findings": []})
    server.on("Three reviewers", "Merge it.")
    process = start("review", "-", "--json", *MODEL, stdin=subprocess.PIPE, stdout=terminal.theirs)
    terminal.close_theirs()
    assert process.stdin is not None
    process.stdin.write(b"x = 1")
    process.stdin.close()
    process.stdin = None
    terminal.read_to_end()
    assert finish(process)[0] == 0
    assert terminal.shown.startswith("{")


def test_blocked_answer_never_shows(server: StubServer, terminal: Terminal, start: Start) -> None:
    server.on("You guard", Reply({"reason": "Bad.", "tripped": True}, gate="guards"))
    server.on("helpful", "a secret answer")
    process = start("respond", "Why?", *MODEL, stdout=terminal.theirs)
    terminal.close_theirs()
    server.wait_until(lambda log: log.waiting("guards") == 2, timeout=60)
    server.wait_until(lambda log: any(record.status == "done" for record in log.requests))
    server.open("guards")
    terminal.read_to_end()
    assert finish(process)[0] == 3
    assert terminal.shown == "I can't help with that.\r\n"


def test_progress_is_live_on_a_terminal(
    server: StubServer, terminal: Terminal, start: Start
) -> None:
    server.on("for harm", Reply({"reason": "Fine.", "ballot": "allow"}, gate="harm"))
    server.on("You moderate", {"reason": "Fine.", "ballot": "allow"})
    process = start("moderate", "text", *MODEL, stderr=terminal.theirs)
    terminal.close_theirs()
    terminal.read_until("✓ toxicity")
    assert "harm" in terminal.shown
    server.open("harm")
    terminal.read_to_end()
    code, out, _ = finish(process)
    assert (code, out) == (0, "allow\n")
    assert "votes: allow" in terminal.shown


def test_text_is_not_awaited_from_a_terminal(terminal: Terminal, start: Start) -> None:
    process = start("moderate", "--model", "openai:x", stdin=terminal.theirs)
    code, out, err = finish(process)
    terminal.close_theirs()
    assert (code, out) == (2, "")
    assert err == "Error: No text was given. Give it as an argument, or pipe it in.\n"


@pytest.mark.timeout(600)
def test_demo_shows_all_patterns_on_the_embedded_model(start: Start) -> None:
    pytest.importorskip("xllamacpp", reason="needs the extra 'local'")
    process = start("demo")
    out, err = (part.decode() for part in process.communicate(timeout=550))
    assert process.returncode == 0, out + err
    assert "Traceback" not in out + err
    before, vote = out.split("\n2. Voting: one question")
    review = before.split("\n1. Sectioning: ")[1]
    vote, guarded = vote.split("\n3. Guardrail: the answer")
    passed, tripped = guarded.split("\n   The same guards trip: ")
    assert "## packing" in review
    assert "3 calls" in review
    assert "votes: " in vote
    assert "geographer 3" in vote
    assert re.search(r"verdict at .* s: passed", passed)
    assert re.search(r"verdict at .* s: blocked by card", tripped)
    assert "respond  " in tripped
    assert "cancelled" in tripped
    assert "Please never send a card number." in tripped
