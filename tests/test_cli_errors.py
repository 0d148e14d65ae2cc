"""The command line when something is wrong: messages and exit codes."""

from pathlib import Path

import pytest
from command import CODE, LABELS, call
from drive import KEY
from stub_server import Reply, StubServer

from langgraph_parallel.cli_input import MAX_BYTES

CLEAN = {"findings": [], "reason": "Nothing found.", "ballot": "clean"}


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty. Give some text."),
            (b" \n\t\n", "is empty. Give some text."),
            (b"\x89PNG\r\n", "is not UTF-8 text (byte 0 is 0x89)."),
            (b"abc\0def", "is binary: it has a NUL at byte 3."),
            (b"x" * (MAX_BYTES + 1), "is larger than 10 MB"),
        ],
        ids=["empty", "blank", "binary", "nul", "large"],
    )
    @pytest.mark.parametrize("command", ["review", "scan"])
    def test_file_without_text(
        self, server: StubServer, tmp_path: Path, command: str, content: bytes, message: str
    ) -> None:
        path = tmp_path / "input"
        path.write_bytes(content)
        for result in (call(command, str(path)), call(command, "-", stdin=content)):
            assert result.exit_code == 2
            assert result.stdout == ""
            assert message in result.stderr
        assert server.requests == []

    def test_missing_file(self, server: StubServer) -> None:
        result = call("review", "nowhere.py")
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: There is no file 'nowhere.py'. ")

    def test_empty_path(self, server: StubServer) -> None:
        result = call("review", "")
        assert result.exit_code == 2
        assert result.stderr.startswith("Error: The path of the file is empty. ")

    def test_folder(self, server: StubServer, tmp_path: Path) -> None:
        result = call("scan", str(tmp_path))
        assert result.exit_code == 2
        assert "is a folder" in result.stderr

    def test_unreadable_file(self, server: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
        def deny(*arguments: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", deny)
        result = call("review", __file__)
        assert result.exit_code == 2
        assert "cannot be read: Permission denied." in result.stderr

    @pytest.mark.parametrize(
        "labels",
        [["a"], ["a", "a"], ["Praise", "praise"], ["a", " "]],
        ids=["one", "equal", "but for the case", "blank"],
    )
    def test_labels_that_are_no_choice(self, server: StubServer, labels: list[str]) -> None:
        options = [part for label in labels for part in ("--label", label)]
        result = call("classify", "text", *options)
        assert result.exit_code == 2
        assert "Give two or more different labels" in result.stderr
        assert "[" not in result.stderr
        assert server.requests == []

    def test_labels_are_required(self, server: StubServer) -> None:
        result = call("classify", "text")
        assert result.exit_code == 2
        assert "Missing option '--label'" in result.stderr
        line = next(
            line for line in call("classify", "--help").stdout.splitlines() if "--label" in line
        )
        assert "[required]" in line

    def test_empty_text(self, server: StubServer) -> None:
        for arguments in (["moderate", " "], ["respond"], ["classify", "", *LABELS]):
            result = call(*arguments)
            assert result.exit_code == 2
            assert "is empty. Give some text." in result.stderr

    def test_text_that_is_no_unicode(self, server: StubServer) -> None:
        result = call("respond", "caf\udce9")
        assert result.exit_code == 2
        assert "The text is not UTF-8 text (byte 3 is 0xe9)." in result.stderr

    def test_standard_input_cannot_be_read_twice(self, server: StubServer) -> None:
        result = call("evaluate", "--question", "-", "--answer", "-", stdin="Why?")
        assert result.exit_code == 2
        assert "Give one of them as text" in result.stderr

    @pytest.mark.parametrize(
        "arguments",
        [["evaluate", "--question", "Why?"], ["review"], ["nonsense"], ["review", "a", "b"]],
        ids=" ".join,
    )
    def test_usage(self, arguments: list[str]) -> None:
        result = call(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "langgraph-parallel" in result.stderr or "Usage" in result.stderr

    def test_unknown_graph(self) -> None:
        result = call("draw", "nonsense", model=None)
        assert result.exit_code == 2
        assert "There is no graph 'nonsense'. Give one of: code_review, " in result.stderr

    @pytest.mark.parametrize(
        ("model", "code", "message"),
        [
            ("nonsense", 2, "'nonsense' is not the name of a model"),
            ("", 2, "is not the name of a model"),
            ("gguf:nowhere.gguf", 1, "There is no GGUF file"),
            (f"openai:{KEY}", 2, "looks like a credential"),
        ],
        ids=["form", "empty", "file", "key"],
    )
    def test_model_that_cannot_be(
        self,
        server: StubServer,
        monkeypatch: pytest.MonkeyPatch,
        model: str,
        code: int,
        message: str,
    ) -> None:
        monkeypatch.setattr("langgraph_parallel.nodes.embedded.find_spec", lambda name: name)
        result = call("respond", "Why?", model=model)
        assert result.exit_code == code
        assert message in result.stderr
        assert result.stderr.count("\n") == 1

    def test_bad_model_in_the_environment(
        self, server: StubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LANGGRAPH_PARALLEL_MODEL", "nonsense")
        result = call("respond", "Why?", model=None)
        assert result.exit_code == 2
        assert "'nonsense' is not the name of a model" in result.stderr


@pytest.mark.usefixtures("no_waits")
class TestFailures:
    COMMANDS = (
        ["review", "-"],
        ["evaluate", "--question", "Why?", "--answer", "-"],
        ["classify", *LABELS],
        ["scan", "-"],
        ["moderate"],
        ["respond"],
    )

    @pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
    def test_unreachable_server(
        self, server: StubServer, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        result = call(*arguments, stdin=CODE)
        assert result.exit_code == 1
        assert "127.0.0.1:9 cannot be reached" in result.stderr

    @pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
    def test_refused_key(self, server: StubServer, arguments: list[str]) -> None:
        quoted = Reply(status=401, error=f"Incorrect API key provided: {KEY}.", code="bad_key")
        server.on("", quoted)
        result = call(*arguments, stdin=CODE)
        assert result.exit_code == 1
        assert "The server refused the API key" in result.stderr

    @pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: arguments[0])
    def test_input_larger_than_the_context(self, server: StubServer, arguments: list[str]) -> None:
        text = (
            "This model's maximum context length is 8192 tokens. However, your messages resulted "
            "in 9000 tokens."
        )
        server.on("", Reply(status=400, error=text, code="context_length_exceeded"))
        result = call(*arguments, stdin=CODE)
        assert result.exit_code == 1
        assert "has 9000 tokens" in result.stderr
        assert "a context of 8192 tokens" in result.stderr

    def test_failed_review_shows_what_was_found_out(self, server: StubServer) -> None:
        server.on("security alone", Reply(status=400, error="No."))
        server.on("You review code", {"findings": []})
        result = call("review", "-", stdin=CODE)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert [line.split()[-3] for line in result.stderr.splitlines()[4:7]] == [
            "error",
            "ok",
            "ok",
        ]
        assert "Error: A required section failed" in result.stderr

    def test_undecided_vote(self, server: StubServer) -> None:
        server.on("", {"ballot": "something else"})
        result = call("classify", "text", *LABELS)
        assert result.exit_code == 1
        assert "without a decision" in result.stderr

    def test_scanner_that_fails_does_not_hide_a_finding(self, server: StubServer) -> None:
        server.on("for injection", {**CLEAN, "ballot": "vulnerable"})
        server.on("access control", Reply(status=400, error="No."))
        server.on("Scan", CLEAN)
        result = call("scan", "-", stdin=CODE)
        assert result.exit_code == 3
        assert result.stdout == "vulnerable\n  injection: Nothing found.\n"
        assert "refused the request (status 400" in result.stderr.splitlines()[-1]

    def test_guards_that_fail_are_no_flag(self, server: StubServer) -> None:
        server.on("You guard", Reply(status=400, error="No."))
        server.on("", "An answer.")
        result = call("respond", "Why?")
        assert result.exit_code == 1
        assert result.stdout == "I can't help with that.\n"
        assert "\n\nError: The answer was withheld" in result.stderr

    def test_a_scanner_that_cannot_be_read_is_not_in_the_answer(self, server: StubServer) -> None:
        server.on("for injection", {**CLEAN, "ballot": "vulnerable"})
        server.on("access control", {**CLEAN, "ballot": "maybe"})
        server.on("Scan", CLEAN)
        result = call("scan", "-", stdin=CODE)
        assert (result.exit_code, result.stdout) == (3, "vulnerable\n  injection: Nothing found.\n")
        assert "unreadable" in result.stderr

    def test_json_of_a_failed_run_is_empty(self, server: StubServer) -> None:
        server.on("", Reply(status=400, error="No."))
        result = call("moderate", "text", "--json")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1


class TestAdvice:
    """What can be done in Python is left out."""

    def test_sections_that_failed(self, server: StubServer, tmp_path: Path) -> None:
        server.on("", Reply(status=400, error="No."))
        path = tmp_path / "code.py"
        path.write_text(CODE)
        result = call("review", str(path))
        assert result.exit_code == 1
        *_, error = result.stderr.splitlines()
        assert error.startswith("Error: Required sections failed. security (error): ")
        assert ".;" not in error
        assert "required=" not in error

    def test_a_vote_without_a_decision(self, server: StubServer) -> None:
        server.on("", "I cannot say.")
        result = call("classify", "text", *LABELS)
        assert result.exit_code == 1
        *_, error = result.stderr.splitlines()
        assert error.startswith("Error: The vote ended without a decision: no readable ballot from")
        assert error.endswith("One ballot names no option: 'I cannot say.'.")
