"""The command as a process of its own: terminal, signals, environment, the demonstration."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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
            **settings: str,
        ) -> "subprocess.Popen[bytes]":
            process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, **settings},
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


def test_a_character_that_the_output_lacks_does_not_cost_the_answer(
    server: StubServer, start: Start
) -> None:
    server.on("You moderate", {"reason": "侮辱 an insult", "ballot": "flag"})
    code, out, err = finish(start("moderate", "idiot", *MODEL, PYTHONIOENCODING="cp1252"))
    assert code == 3, err
    assert out.splitlines()[:2] == ["flag", "  toxicity: ?? an insult"]


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_half_a_character_does_not_cost_the_answer(
    server: StubServer, start: Start, option: str
) -> None:
    server.on("You guard", {"reason": "Fine.", "tripped": False})
    server.on("helpful", "half \ud83d emoji")
    code, out, err = finish(start("respond", "Why?", option, *MODEL))
    assert (code, err) == (0, "")
    if option == "--json":
        assert json.loads(out)["output"] == "half \ud83d emoji"
    else:
        assert out == "half ? emoji\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("ending", ["a full disk", "a reader that has left"])
def test_a_run_does_not_fail_because_nobody_reads_the_report(
    server: StubServer, start: Start, ending: str
) -> None:
    server.on("You moderate", {"reason": "An insult.", "ballot": "flag"})
    if ending == "a full disk":
        stderr = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, stderr = os.pipe()
        os.close(reader)
    process = start("moderate", "idiot", *MODEL, stderr=stderr)
    os.close(stderr)
    code, out, _ = finish(process)
    assert code == 3
    assert out.startswith("flag\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupt_closes_the_calls_and_is_quiet(server: StubServer, start: Start) -> None:
    server.on("", Reply("never", gate="closed"))
    process = start("moderate", "text", *MODEL)
    server.wait_until(lambda log: log.waiting("closed") >= 2, timeout=60)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (130, "", "")
    server.wait_until(lambda log: log.open_requests == 0)
    assert {record.status for record in server.requests} == {"client_closed"}


def test_guards_that_failed_are_said_once(server: StubServer, start: Start) -> None:
    server.on("", Reply(status=400, error="No."))
    code, out, err = finish(start("respond", "Why?", "-q", *MODEL))
    assert (code, out.strip()) == (1, "I can't help with that.")
    assert err.startswith("Error: The answer was withheld")
    assert err.count("\n") == 1


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


def on_screen(written: str) -> list[str]:
    """Give the lines that a terminal shows in the end, for what was written to it."""
    screen: list[list[str]] = [[]]
    row = column = 0
    for part in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|[\s\S]", written):
        if part == "\n":
            row += 1
            screen += [[]] if row == len(screen) else []
        elif part == "\r":
            column = 0
        elif part.endswith("A") and len(part) > 1:
            row -= int(part[2:-1] or 1)
        elif part == "\x1b[2K":
            screen[row] = []
        elif len(part) == 1:
            line = screen[row]
            line += " " * (column + 1 - len(line))
            line[column] = part
            column += 1
    lines = ["".join(line).rstrip() for line in screen]
    while lines and not lines[-1]:
        lines.pop()
    return lines


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


@pytest.fixture
def wide(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The terminal with 80 columns and 24 lines."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    return terminal


def test_a_quiet_run_shows_no_progress_on_a_terminal(
    server: StubServer, terminal: Terminal, start: Start
) -> None:
    server.on("You moderate", {"reason": "Fine.", "ballot": "allow"})
    process = start("moderate", "text", "-q", *MODEL, stderr=terminal.theirs)
    terminal.close_theirs()
    terminal.read_to_end()
    assert finish(process)[:2] == (0, "allow\n")
    assert terminal.shown == ""


def test_the_progress_makes_room_for_the_answer(
    server: StubServer, wide: Terminal, start: Start
) -> None:
    server.on("You guard", {"reason": "Fine.", "tripped": False})
    server.on("helpful", Reply("one two three four", gate="rest", gate_after=2))
    process = start("respond", "Why?", *MODEL, stdout=wide.theirs, stderr=wide.theirs)
    wide.close_theirs()
    wide.read_until("two")
    begun = wide.shown
    server.open("rest")
    wide.read_to_end()
    assert finish(process)[0] == 0
    lines = on_screen(wide.shown)
    assert lines[0] == "one two three four"
    assert lines[1] == ""
    assert sum("one two" in line for line in lines) == 1
    assert "\x1b[?25h" in begun  # the cursor is back: the display has ended


def test_an_answer_that_is_tried_again_begins_a_line_and_is_not_said_twice(
    server: StubServer, wide: Terminal, start: Start, tmp_path: Path
) -> None:
    source = str(tmp_path / "one.py")
    Path(source).write_text("x = 1")
    server.on("You review code", {"findings": []})
    replies = [Reply("one two three", drop=True, drop_after=2), Reply("four five")]
    server.on("Three reviewers", lambda _: replies.pop(0))
    process = start("review", source, *MODEL, stdout=wide.theirs)
    wide.close_theirs()
    wide.read_to_end()
    assert finish(process)[0] == 0
    assert on_screen(wide.shown) == ["one two", "four five"]


WATCHED = """
import sys
from langgraph_parallel import Section, create_sectioning
from langgraph_parallel.show import watch

def work(_):
    sys.stdin.readline()
    print("printed by the user")
    print("logged by the user", file=sys.stderr)
    return "done"

watch(create_sectioning([Section("slow", run=work), Section("b", run=str)]), {"input": "x"})
print("after")
"""


@pytest.mark.parametrize("is_file", [False, True], ids=["both on the terminal", "output in a file"])
def test_watch_keeps_what_others_print_on_the_terminal(wide: Terminal, *, is_file: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if is_file else wide.theirs,
        stderr=wide.theirs,
    )
    wide.close_theirs()
    wide.read_until("slow")
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    wide.read_to_end()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    printed = ["printed by the user"]
    logged = ["logged by the user"]
    if is_file:
        assert out.decode().splitlines() == [*printed, "after"]
        assert on_screen(wide.shown) == logged
    else:
        assert on_screen(wide.shown) == [*printed, *logged, "after"]


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
