"""The timeline of a report."""

import subprocess
import sys
from typing import Any

import pytest
from rich.cells import cell_len

from langgraph_parallel.timeline import BARS_FROM, LINES, MIN_WIDTH, timeline

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


def test_short_branch_at_the_end_still_shows() -> None:
    branches = [branch("a", started=9.999, seconds=0.001), branch("b", started=5.0, seconds=0.001)]
    lines = timeline(report(*branches, seconds=10.0), width=50).splitlines()
    assert [line.count("━") for line in lines[:2]] == [1, 1]
    assert len({line.index("ok") for line in lines[:2]}) == 1


def test_branch_cancelled_while_it_ran_has_a_bar_and_one_of_no_time_that_ended_too() -> None:
    branches = [branch("a", "cancelled", seconds=0.001), branch("b", "error", seconds=0.0)]
    cancelled, error, _ = timeline(report(*branches)).splitlines()
    assert "╍" in cancelled
    assert "✗" in error


@pytest.mark.parametrize("width", [10, MIN_WIDTH, 30, BARS_FROM, 72, 100, 200])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_lines_keep_to_the_width(width: int, count: int) -> None:
    branches = [
        branch("n" * (index % 30 + 1), started=index / 7, output=ballot("label " * (index % 5 + 1)))
        for index in range(count)
    ]
    counts = {f"label {index}": index for index in range(count)}
    lines = timeline(vote(*branches, counts=counts), width=width).splitlines()
    assert all(cell_len(line) <= max(width, MIN_WIDTH) for line in lines)
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("width", [MIN_WIDTH, 30, 50, 72])
def test_wide_labels_and_long_totals_keep_to_the_width_too(width: int) -> None:
    wide = "判断" * 25
    usage = {"calls": 120, "input_tokens": 120_000, "output_tokens": 34_000, "cost": 0.0123}
    text = timeline(
        vote(
            *[branch("審査員" * 9, output=ballot(wide))] * 25,
            counts={wide: 25},
            decision=wide,
            usage={**usage, "partial": True},
        ),
        width=width,
    )
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert text.replace("\n ", "").endswith("34,000 out, $0.012300 (partial)")


def test_narrow_lines_have_the_facts_and_no_bars() -> None:
    guards = [guard("harm", 0.0, 1.0, tripped=True), branch("respond", "cancelled", seconds=1.0)]
    text = timeline(report(*guards, verdict="blocked", blocked_by=["harm"]), width=30)
    assert text.splitlines() == [
        "harm     ok         1.00 s",
        "  tripped",
        "respond  cancelled  1.00 s",
        "verdict at 1.00 s: blocked by",
        "  harm",
        "2.00 s, 2 calls, 1,200 tokens",
        "  in, 34 out",
    ]


def test_a_synthesis_is_the_last_row() -> None:
    synthesis = {"status": "ok", "started": 1.0, "seconds": 1.0}
    part, aggregate, _ = timeline(report(branch("a"), aggregate=synthesis)).splitlines()
    assert aggregate.startswith("aggregate  ·")
    assert aggregate.index("━") == part.rindex("━") + 1
    assert aggregate.endswith("ok         1.00 s")
    many = timeline(report(*[branch("a")] * 30, aggregate=synthesis)).splitlines()
    assert many[LINES] == "and 10 more: 10 ok"
    assert many[LINES + 1].startswith("aggregate  ")


@pytest.mark.parametrize(("seconds", "whole"), [(0.009, 0.1), (0.1, 6.0)])
def test_a_merge_that_took_hardly_any_time_has_no_row(seconds: float, whole: float) -> None:
    merge = {"status": "ok", "started": 0.0, "seconds": seconds}
    assert "aggregate" not in timeline(report(aggregate=merge, seconds=whole))


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


def test_a_number_is_not_given_twice() -> None:
    lines = timeline(report(branch("a"), branch("a"), branch("a 1"))).splitlines()
    assert [line[:3] for line in lines[:3]] == ["a 2", "a 3", "a 1"]


def test_emoji_that_are_joined_keep_the_columns() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    heart, emoji, plain, _ = timeline(
        report(branch("\u2764\ufe0f"), branch(family), branch("ab"))
    ).splitlines()
    assert cell_len(family) == 2
    assert emoji.removeprefix(family) == plain.removeprefix("ab")
    assert heart.removeprefix("\u2764\ufe0f") == plain.removeprefix("ab")


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


def test_a_ballot_reads_as_in_the_counts() -> None:
    ranked = branch("judge", output={"ballot": ["a", "b"], "unreadable": None})
    lines = timeline(vote(ranked, counts={'["a", "b"]': 1}), width=100).splitlines()
    assert lines[0].endswith('  ["a", "b"]')
    assert lines[2].startswith('votes: ["a", "b"] 1;')


def test_a_voter_or_guard_that_failed_said_nothing() -> None:
    late = branch("judge", "timeout", output=ballot("safe"))
    assert timeline(vote(late)).splitlines()[0].endswith("1.00 s")
    failed = branch("harm", "error", output={"tripped": True})
    drawn = timeline(report(failed, verdict="failed", blocked_by=["harm"]))
    assert drawn.splitlines()[0].endswith("1.00 s")


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


@pytest.mark.parametrize(("by", "verdict"), [(["out"], "blocked"), ([], "passed")])
def test_guards_of_the_answer_alone_decide_at_its_end(by: list[str], verdict: str) -> None:
    branches = [branch("respond", seconds=1.5), guard("out", 1.0, 0.1, tripped=bool(by))]
    drawn = timeline(report(*branches, verdict=verdict, blocked_by=by))
    assert f"│ verdict at 1.50 s: {verdict}" in drawn


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


def test_a_result_is_drawn_like_its_report() -> None:
    own = report(branch("a"))
    assert timeline({"output": "x", "report": own}) == timeline(own)
    with pytest.raises(ValueError, match=r"'messages', 'report' is no report. Give the report"):
        timeline({"messages": [], "report": None})


@pytest.mark.parametrize(
    ("cost", "text"), [(0.0999999, "$0.10"), (0.0, "$0"), (4e-7, "<$0.000001"), (6e-7, "$0.000001")]
)
def test_small_amounts_of_money_are_not_nothing(cost: float, text: str) -> None:
    assert timeline(report(usage={**USAGE, "cost": cost})).endswith(f"34 out, {text}")


def test_it_needs_neither_rich_nor_matplotlib() -> None:
    code = (
        "import sys; sys.modules['rich'] = sys.modules['matplotlib'] = None\n"
        "from langgraph_parallel.timeline import timeline; print(timeline({}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "0.00 s, 0 calls, 0 tokens in, 0 out\n"
