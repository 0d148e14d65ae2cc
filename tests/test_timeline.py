"""The timeline of a report."""

from typing import Any

import pytest

from langgraph_parallel.timeline import LINES, MIN_WIDTH, timeline

USAGE = {"calls": 2, "input_tokens": 1200, "output_tokens": 34, "partial": False}


def branch(name: str, status: str = "ok", **parts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": status,
        "started": 0.0,
        "seconds": 1.0,
        "output": None,
        **parts,
    }


def report(*branches: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"branches": list(branches), "usage": USAGE, "seconds": 2.0, **parts}


def ballot(value: str | None) -> dict[str, Any]:
    return {"ballot": value, "unreadable": None if value else "is empty"}


def vote(*branches: dict[str, Any], **parts: Any) -> dict[str, Any]:
    own: dict[str, Any] = {
        "counts": {"safe": 2, "unsafe": 1},
        "calls": {"unreadable": 0},
        "stopped_by": "stop",
        "rounds": 1,
        "decided": True,
        "decision": "safe",
    }
    return report(*branches, **{**own, **parts})


def test_bar_stands_where_the_branch_ran() -> None:
    text = timeline(report(branch("late", started=1.0)), width=50)
    assert text.splitlines() == [
        "late  ············━━━━━━━━━━━━━  ok         1.00 s",
        "2.00 s, 2 calls, 1,200 tokens in, 34 out",
    ]


def test_status_shows_in_the_bar_and_in_a_word() -> None:
    branches = [branch(status, status) for status in ("ok", "error", "timeout", "cancelled")]
    ok, error, timeout, cancelled, _ = timeline(report(*branches)).splitlines()
    assert "━━  " in ok
    assert "━✗  " in error
    assert "━!  " in timeout
    assert "━" not in cancelled
    assert "╍╍" in cancelled
    for line, status in zip([ok, error, timeout, cancelled], branches, strict=True):
        assert line.count(status["name"]) == 2


def test_the_bar_of_a_streamed_answer_is_thin_until_its_first_token() -> None:
    answer = branch("respond", first_token=0.5)
    cancelled = branch("respond", "cancelled", first_token=0.5)
    bar, dashes, _ = timeline(report(answer, cancelled, seconds=1.0), width=50).splitlines()
    assert bar.split()[2] == "──────────━━━━━━━━━━"
    assert dashes.split()[2] == "╌╌╌╌╌╌╌╌╌╌╍╍╍╍╍╍╍╍╍╍"


def test_the_verdict_is_a_line_through_all_bars() -> None:
    harm = branch("harm", seconds=0.5, output={"tripped": False, "reason": None})
    answer = branch("respond", seconds=1.0, first_token=0.2)
    late = branch("late", "cancelled", started=1.0, seconds=0.0)
    drawn = timeline(
        report(harm, answer, late, verdict="passed", blocked_by=[], seconds=1.0), width=60
    ).splitlines()
    columns = [line.index(mark) for line, mark in zip(drawn, "│┿│", strict=False)]
    assert len(set(columns)) == 1
    assert drawn[0][columns[0] - 1 : columns[0] + 2] == "━│ "
    assert drawn[1][columns[0] - 1 : columns[0] + 2] == "━┿━"


def test_branch_cancelled_before_it_began_has_no_bar() -> None:
    line = timeline(report(branch("a", "cancelled", started=2.0, seconds=0.0))).splitlines()[0]
    assert "·" in line
    assert "╌" not in line


def test_short_branch_still_shows() -> None:
    line = timeline(report(branch("a", started=2.0, seconds=0.0), seconds=2.0)).splitlines()[0]
    assert line.count("━") == 1


@pytest.mark.parametrize("width", [10, MIN_WIDTH, 72, 100, 200])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_lines_keep_to_the_width(width: int, count: int) -> None:
    branches = [
        branch("n" * (index % 30 + 1), started=index / 7, output=ballot("label " * (index % 5 + 1)))
        for index in range(count)
    ]
    counts = {f"label {index}": index for index in range(count)}
    lines = timeline(vote(*branches, counts=counts), width=width).splitlines()
    assert all(len(line) <= max(width, MIN_WIDTH) for line in lines)
    assert lines == [line.rstrip() for line in lines]


def test_no_branches_give_the_totals_alone() -> None:
    assert timeline(report()) == "2.00 s, 2 calls, 1,200 tokens in, 34 out"
    assert timeline({}) == "0.00 s, 0 calls, 0 tokens in, 0 out"


def test_many_branches_are_summed_up() -> None:
    branches = [branch(f"part {index}") for index in range(90)]
    branches += [branch(f"late {index}", "cancelled") for index in range(10)]
    lines = timeline(report(*branches)).splitlines()
    assert len(lines) == LINES + 2
    assert lines[LINES] == "and 80 more: 70 ok, 10 cancelled"


def test_equal_names_are_numbered() -> None:
    lines = timeline(report(branch("vote"), branch("other"), branch("vote"))).splitlines()
    assert [line[:6] for line in lines[:3]] == ["vote 1", "other ", "vote 2"]


def test_wide_characters_keep_the_columns() -> None:
    wide, narrow, _ = timeline(report(branch("日本"), branch("abcd"))).splitlines()
    assert wide.removeprefix("日本") == narrow.removeprefix("abcd")


def test_partial_usage_is_named() -> None:
    assert timeline(report(usage={**USAGE, "partial": True})).endswith("34 out (partial)")


def test_vote_shows_ballots_counts_and_stop() -> None:
    lines = timeline(
        vote(
            branch("judge", output=ballot("safe")),
            branch("judge", output=ballot(None)),
            calls={"unreadable": 1},
            rounds=2,
        )
    ).splitlines()
    assert lines[0].endswith("  safe")
    assert lines[1].endswith("  unreadable")
    assert lines[2] == "│ decision at 1.00 s: safe"
    assert " ".join(" ".join(lines[3:-1]).split()) == (
        "votes: safe 2, unsafe 1; 1 unreadable; stopped after 2 rounds: the stop rule was met"
    )


def test_vote_without_decision_says_so() -> None:
    none = vote(counts={}, decided=False, stopped_by="max_calls")
    decision, counts, _ = timeline(none, width=100).splitlines()
    assert decision == "decision: none"
    assert counts == "votes: none; stopped after 1 round: no more calls were allowed"


@pytest.mark.parametrize(
    ("verdict", "by", "line"),
    [
        ("passed", [], "│ verdict at 1.00 s: passed"),
        ("blocked", ["card", "harm"], "│ verdict at 1.00 s: blocked by card, harm"),
        ("timed_out", ["harm"], "│ verdict at 1.00 s: timed out by harm"),
    ],
)
def test_guardrail_shows_the_verdict_and_who_denied(verdict: str, by: list[str], line: str) -> None:
    guard = branch("card", output={"tripped": bool(by), "reason": None})
    lines = timeline(report(guard, verdict=verdict, blocked_by=by)).splitlines()
    assert lines[0].endswith("tripped" if by else "passed")
    assert lines[1] == line


def guard(name: str, started: float, seconds: float, **output: Any) -> dict[str, Any]:
    said = {"tripped": False, "reason": None, **output}
    return branch(name, started=started, seconds=seconds, output=said)


def test_the_verdict_on_the_input_is_that_of_the_guards_before_the_answer() -> None:
    branches = [guard("harm", 0.0, 0.5), branch("respond", seconds=2.0), guard("out", 1.0, 0.9)]
    passed = report(*branches, verdict="passed", blocked_by=[])
    assert "│ verdict at 0.50 s: passed" in timeline(passed)


def test_a_verdict_on_the_answer_falls_at_its_end() -> None:
    answer = branch("respond", "cancelled", seconds=1.5)
    branches = [guard("harm", 0.0, 0.5), answer, guard("out", 0.2, 0.1, tripped=True)]
    blocked = report(*branches, verdict="blocked", blocked_by=["out"])
    assert "│ verdict at 1.50 s: blocked by out" in timeline(blocked)


def test_advisers_do_not_decide_and_a_voter_may_have_any_name() -> None:
    branches = [
        branch("respond", seconds=0.5, output=ballot("safe")),
        branch("adviser", seconds=2.0, output=ballot("unsafe")),
    ]
    drawn = timeline(vote(*branches, advice=[{"voter": "adviser"}]))
    assert "│ decision at 0.50 s: safe" in drawn


def test_a_guard_that_rewrote_says_so_and_a_section_is_no_guard() -> None:
    rewrote = report(guard("mask", 0.0, 1.0, rewrite="x"), verdict="passed", blocked_by=[])
    assert timeline(rewrote).splitlines()[0].endswith("rewrote")
    section = report(guard("mine", 0.0, 1.0, tripped=True))
    assert timeline(section).splitlines()[0].endswith("1.00 s")


def test_long_labels_are_cut_and_many_are_summed_up() -> None:
    counts = {f"{i} " + "word " * 100: 1 for i in range(30)}
    text = timeline(vote(counts=counts, decision="word " * 100))
    assert len(text) < 1500
    assert "10 more labels" in " ".join(text.split())


def test_marks_take_no_column_and_what_turns_the_order_is_taken_out() -> None:
    marks, plain, _ = timeline(report(branch("e\u0301" * 4), branch("abcd"))).splitlines()
    assert marks.removeprefix("e\u0301" * 4) == plain.removeprefix("abcd")
    assert timeline(report(branch("a\u202eb\ud83d"))).startswith("ab  ")


def test_what_controls_a_terminal_is_taken_out() -> None:
    text = timeline(vote(branch("a\x1b[31m\nb", output=ballot("x\x9b2J\ty"))))
    assert all(c == "\n" or c.isprintable() for c in text)
