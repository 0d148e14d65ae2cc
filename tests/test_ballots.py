"""A ballot is read as what the voter said, or not at all."""

import re
import time
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langgraph_parallel.aggregators.ballots import Reading, fold, match_option, read_ballot

relaxed = settings(deadline=None)  # a busy machine is no failure

SAFETY = ["safe", "unsafe"]
LANGUAGES = ["C", "C#", "C++", "F#"]
GRADES = ["A", "A*", "B"]

words = st.text("abcdefgxyzäßéωж", min_size=1, max_size=8)
phrases = st.lists(words, min_size=1, max_size=3).map(" ".join) | st.lists(
    words, min_size=2, max_size=3
).map("_".join)
numbers = st.builds(
    lambda sign, digits, rest: f"{sign}{digits}{rest}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 200),
    st.sampled_from(["", "", "%", ".5", "/2", "/10", ".25%"]),
)
option_lists = st.lists(
    phrases | numbers | st.sampled_from("abcxyz0123456789"), min_size=1, max_size=6, unique_by=fold
)
openings = st.lists(
    st.sampled_from(["'", '"', "`", "“", "«", "‘", "(", "[", "{", "**", "__", "# ", " ", "\n"]),
    max_size=3,
).map("".join)
closings = st.lists(
    st.sampled_from(["'", '"', "`", "”", "»", "’", ")", "]", "}", "**", "__", ".", "!", " ", "\n"]),
    max_size=3,
).map("".join)
leads = st.sampled_from(
    ["", "Answer: ", "answer is ", "The answer is: ", "**Final Answer:** ", "LABEL = ", "Vote:\n"]
)
cases: st.SearchStrategy[Callable[[str], str]] = st.sampled_from(
    [str.upper, str.title, str.swapcase, str.casefold, str.strip]
)


class TestFold:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            pytest.param("A", "B", id="letters"),
            pytest.param("5", "-5", id="sign"),
            pytest.param("-5", "+5", id="signs"),
            pytest.param("3.5", "35", id="decimal"),
            pytest.param(".5", "5", id="decimal-without-a-zero"),
            pytest.param("-.5", ".5", id="sign-of-a-decimal"),
            pytest.param("1/2", "1", id="fraction"),
            pytest.param("1/2", "12", id="fraction-and-number"),
            pytest.param("50%", "50", id="percentage"),
            pytest.param("<5", "5", id="bound"),
            pytest.param("<5", ">5", id="bounds"),
            pytest.param("<-5", "-5", id="bound-of-a-negative-number"),
            pytest.param("+", "-", id="bare-signs"),
            pytest.param("C", "C#", id="sharp"),
            pytest.param("C", "C++", id="plus-plus"),
            pytest.param("safe", "un safe", id="inner-space"),
            pytest.param("safe", "un-safe", id="hyphen"),
        ],
    )
    def test_what_tells_options_apart_is_kept(self, left: str, right: str) -> None:
        assert fold(left) != fold(right)
        assert fold(f"**{left}**") != fold(f' "{right}". ')

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            pytest.param("SAFE", "safe", id="case"),
            pytest.param("Straße", "strasse", id="case-of-sharp-s"),
            pytest.param(" very \n\t safe ", "very safe", id="white-space"),
            pytest.param("“Safe”", "safe", id="curly-quotes"),
            pytest.param("«safe»", "safe", id="guillemets"),
            pytest.param("'`\"safe\"`'", "safe", id="straight-quotes"),
            pytest.param("### **Safe**!!", "safe", id="markdown"),
            pytest.param("> safe", "safe", id="quotation"),
            pytest.param("(A)", "a", id="brackets"),
            pytest.param("ＳＡＦＥ", "safe", id="full-width"),  # noqa: RUF001 - what is tested
            pytest.param(
                "\U0001d412\U0001d400\U0001d405\U0001d404", "safe", id="mathematical-bold"
            ),
            pytest.param("cafe\u0301", "caf\u00e9", id="combining-accent"),
            pytest.param("\ufb01ne", "fine", id="ligature"),
            pytest.param("−5", "-5", id="minus-sign"),
            pytest.param("50\u00a0%", "50%", id="percentage-with-a-space"),
            pytest.param("½", "1/2", id="fraction-in-one-character"),
            pytest.param("1 / 2", "1/2", id="fraction-with-spaces"),
            pytest.param("5.", "5", id="number-at-the-end-of-a-sentence"),
            pytest.param("( -.5 )", "-.5", id="decimal-in-brackets"),
            pytest.param("'+3.5%'.", "+3.5%", id="everything-of-a-number"),
            pytest.param("...", "", id="nothing-but-punctuation"),
        ],
    )
    def test_what_does_not_tell_options_apart_is_folded(self, text: str, expected: str) -> None:
        assert fold(text) == expected

    @relaxed
    @given(st.text())
    def test_folding_twice_changes_nothing_more(self, text: str) -> None:
        assert fold(fold(text)) == fold(text)

    @relaxed
    @given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
    def test_unicode_forms_of_one_text_are_one(self, text: str, form: Any) -> None:
        assert fold(unicodedata.normalize(form, text)) == fold(text)


class TestMatchOption:
    @settings(relaxed, max_examples=300)
    @given(data=st.data(), options=option_lists, lead=leads, opening=openings, closing=closings)
    def test_option_is_found_in_any_wrapping_and_case_and_never_another(
        self, data: st.DataObject, options: list[str], lead: str, opening: str, closing: str
    ) -> None:
        option = data.draw(st.sampled_from(options))
        case = data.draw(cases)
        assume(fold(case(option)) == fold(option))
        assert match_option(f"{lead}{opening}{case(option)}{closing}", options) == (option, None)

    @relaxed
    @given(data=st.data(), options=option_lists)
    def test_option_of_several_letters_is_found_in_prose_and_never_another(
        self, data: st.DataObject, options: list[str]
    ) -> None:
        long = [option for option in options if len(option) > 1]
        assume(long)
        option = data.draw(st.sampled_from(long))
        assert match_option(f"I would say {option}, hm.", options) == (option, None)

    @relaxed
    @given(data=st.data(), options=option_lists)
    def test_two_options_in_one_text_are_refused_and_named(
        self, data: st.DataObject, options: list[str]
    ) -> None:
        long = [option for option in options if len(option) > 1]
        assume(len(long) > 1)
        first, second = data.draw(st.permutations(long))[:2]
        option, why = match_option(f"It is {first}; or {second}?", options)
        assert option is None
        assert why is not None
        assert why.startswith("names several options: ")
        assert {first, second} <= set(re.findall(r"'([^']*)'", why))

    @relaxed
    @given(options=option_lists, text=st.text("abcxyz0125 .,-+%/_'*#<>", max_size=30))
    def test_no_option_is_invented(self, options: list[str], text: str) -> None:
        option, why = match_option(text, options)
        assert (option is None) == (why is not None)
        if option is not None:
            assert fold(option) in re.sub(
                r" ?/ ?", "/", re.sub(" +", " ", text.casefold())
            ).replace(" %", "%")

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            pytest.param("unsafe", "unsafe", id="shorter-option-inside-the-longer"),
            pytest.param("The text is clearly unsafe.", "unsafe", id="inside-in-prose"),
            pytest.param("Safe. There is nothing to object to.", "safe", id="first-word"),
            pytest.param("My vote goes to: **Safe**\n\nReason: kind.", "safe", id="long-reply"),
            pytest.param("Was it good or not? Safe.", "safe", id="negation-in-another-sentence"),
            pytest.param("It is safe, safe, safe.", "safe", id="one-option-repeated"),
            pytest.param("My choice - safe", "safe", id="after-a-dash"),
            pytest.param("It is <b>safe</b>.", "safe", id="in-a-tag"),
        ],
    )
    def test_one_option_that_is_named_is_read(self, text: str, expected: str) -> None:
        assert match_option(text, SAFETY) == (expected, None)

    @pytest.mark.parametrize(
        "text",
        [
            "not safe",
            "Not 'safe'.",
            "It is not a safe text.",
            "This isn't safe",
            "That isn’t really safe at all.",
            "I do not think this is unsafe.",
            "I don't believe that this text is safe",
            "neither safe nor good",
            "Nobody could say that it was never safe",
            "The answer is not safe",
            "This can hardly be safe",
        ],
    )
    def test_option_that_is_denied_is_refused_and_named(self, text: str) -> None:
        option, why = match_option(text, SAFETY)
        assert option is None
        assert why in {"denies an option: 'safe'", "denies an option: 'unsafe'"}

    @pytest.mark.parametrize(
        ("text", "options", "expected"),
        [
            pytest.param("It is not spam.", ["spam", "not spam"], "not spam", id="in-prose"),
            pytest.param("No, it is fine.", ["yes", "no"], "no", id="no-is-an-option"),
        ],
    )
    def test_option_may_be_a_negation_itself(
        self, text: str, options: list[str], expected: str
    ) -> None:
        assert match_option(text, options) == (expected, None)

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            pytest.param("safe or unsafe", SAFETY, id="words"),
            pytest.param("Safe, not unsafe", SAFETY, id="one-of-them-denied"),
            pytest.param("between 10 and 20", [10, 20, 30], id="numbers"),
            pytest.param("New York City", ["new york", "york city"], id="overlapping"),
            pytest.param("**A**", GRADES, id="punctuation-that-may-or-may-not-be-markdown"),
            pytest.param("us.", ["US", "us"], id="options-that-differ-by-case-only"),
        ],
    )
    def test_several_options_are_refused_and_named(self, text: str, options: list[Any]) -> None:
        option, why = match_option(text, options)
        assert option is None
        assert why is not None
        assert why.startswith("names several options: ")
        assert repr(options[0]) in why
        assert repr(options[1]) in why

    @pytest.mark.parametrize(
        ("text", "options"),
        [
            pytest.param("I like it", SAFETY, id="prose"),
            pytest.param("unsafely", SAFETY, id="part-of-a-word"),
            pytest.param("un-safe", ["safe", "good"], id="after-a-hyphen"),
            pytest.param("safe-ish", SAFETY, id="before-a-hyphen"),
            pytest.param("not_safe", SAFETY, id="in-an-identifier"),
            pytest.param("non-toxic", ["toxic", "fine"], id="negating-prefix"),
            pytest.param("A good question", ["A", "B"], id="article"),
            pytest.param("Plan B it is", ["A", "B"], id="letter-in-prose"),
            pytest.param("It takes 5 days", [5, 6], id="digit-in-prose"),
            pytest.param("150", [15, 50], id="digits-of-a-longer-number"),
            pytest.param("15.5", [15, 20], id="before-a-decimal"),
            pytest.param("20.15 it is", [15, 10], id="after-a-decimal"),
            pytest.param("15,000", [15, 20], id="before-thousands"),
            pytest.param("1,500 it is", [500, 20], id="after-thousands"),
            pytest.param("-15", [15, 20], id="sign"),
            pytest.param("- 15", [15, -15], id="sign-or-bullet"),
            pytest.param("it is >15", [15, 20], id="bound"),
            pytest.param("it is <=15", [15, 20], id="bound-with-equality"),
            pytest.param("15%", [15, 20], id="percentage"),
            pytest.param("it is 15 %", [15, 20], id="percentage-with-a-space"),
            pytest.param("15/20", [15, 20], id="fraction"),
            pytest.param("15 / 16 it is", [15, 20], id="fraction-with-spaces"),
            pytest.param("...", ["?", "!"], id="punctuation"),
            pytest.param("hm", ["?", "yes"], id="option-of-punctuation"),
            pytest.param("Answer:", SAFETY, id="lead-alone"),
            pytest.param("something", [], id="no-options"),
        ],
    )
    def test_text_without_an_option_is_refused_and_quoted(
        self, text: str, options: list[Any]
    ) -> None:
        assert match_option(text, options) == (None, f"names no option: {text!r}")

    def test_quotation_in_the_reason_is_short(self) -> None:
        _, why = match_option(" " + "x" * 500, SAFETY)
        assert why == f"names no option: {'x' * 60!r}"

    @pytest.mark.parametrize("text", ["", " ", "\n\t"])
    @pytest.mark.parametrize("options", [SAFETY, ["?", "yes"], ["", "yes"]], ids=str)
    def test_empty_text_votes_for_nothing(self, text: str, options: list[str]) -> None:
        assert match_option(text, options) == (None, "is empty")

    @pytest.mark.parametrize(
        ("text", "options", "expected"),
        [
            pytest.param("A", "AB", "A", id="one-letter"),
            pytest.param("(b).", "AB", "B", id="one-letter-in-brackets"),
            pytest.param("Answer: A", "AB", "A", id="one-letter-after-a-lead"),
            pytest.param("**Answer:** B", "AB", "B", id="bold-lead"),
            pytest.param("The final answer is: 'A'.", "AB", "A", id="long-lead"),
            pytest.param("Answer: A*", GRADES, "A*", id="grade-after-a-lead"),
            pytest.param("a*", GRADES, "A*", id="grade"),
            pytest.param("A", GRADES, "A", id="grade-without-a-star"),
            pytest.param("C#", LANGUAGES, "C#", id="sharp"),
            pytest.param("**C#**.", LANGUAGES, "C#", id="bold-sharp"),
            pytest.param("C", LANGUAGES, "C", id="without-sharp"),
            pytest.param("It is written in C++.", LANGUAGES, "C++", id="plus-plus-in-prose"),
            pytest.param("us", ["US", "us"], "us", id="case-as-given"),
            pytest.param("label: bug", ["label: bug", "bug"], "label: bug", id="lead-in-an-option"),
            pytest.param("**Label: Bug**", ["label: bug", "bug"], "label: bug", id="bold-option"),
            pytest.param("It is very good.", ["very", "very good"], "very good", id="longest"),
            pytest.param("Answer island", ["land", "island"], "island", id="no-lead"),
            pytest.param("−5", [5, -5], -5, id="minus-sign"),
            pytest.param("3.5", [3, 3.5, 35], 3.5, id="decimal"),
            pytest.param("1/2", ["1", "2", "1/2"], "1/2", id="fraction"),
            pytest.param("11 / 12", ["11", "12", "11/12"], "11/12", id="fraction-with-spaces"),
            pytest.param("50 %", ["50", "50%"], "50%", id="percentage"),
            pytest.param("it is -15.", [15, -15], -15, id="sign-in-prose"),
            pytest.param("'<5'", ["<5", "5", ">5"], "<5", id="bound"),
            pytest.param("TRUE", [True, False], True, id="bool"),
        ],
    )
    def test_options_that_look_alike_are_kept_apart(
        self, text: str, options: list[Any], expected: Any
    ) -> None:
        assert match_option(text, list(options)) == (expected, None)

    def test_order_of_options_makes_no_difference(self) -> None:
        for options in (["<5", "5", ">5"], [">5", "5", "<5"], ["5", ">5", "<5"]):
            assert match_option(">5", options) == (">5", None)

    def test_long_prose_is_read_quickly(self) -> None:
        started = time.perf_counter()
        for text in (
            "* " * 50_000,
            "not " * 50_000,
            "word " * 50_000,
            "'" * 100_000,
            "1," * 50_000,
        ):
            assert match_option(f"{text} unsafe", SAFETY)[0] in {"unsafe", None}
        assert time.perf_counter() - started < 5


class TestReadBallot:
    def test_text_is_matched_against_the_options(self) -> None:
        assert read_ballot("Answer: **Safe**", SAFETY) == Reading("safe")

    def test_unreadable_text_says_why(self) -> None:
        assert read_ballot("hm", SAFETY) == Reading(unreadable="names no option: 'hm'")

    def test_no_reply_is_an_unreadable_ballot(self) -> None:
        assert read_ballot(None, SAFETY) == Reading(unreadable="the voter gave none")
        assert read_ballot(None, None) == Reading(unreadable="the voter gave none")

    @pytest.mark.parametrize("text", ["", "  \n"])
    def test_empty_text_is_an_unreadable_ballot(self, text: str) -> None:
        assert read_ballot(text, None) == Reading(unreadable="is empty")
        assert read_ballot(text, SAFETY) == Reading(unreadable="is empty")

    def test_free_text_is_stripped_and_otherwise_left(self) -> None:
        assert read_ballot("  The 'Answer': Paris. \n", None) == Reading("The 'Answer': Paris.")

    @pytest.mark.parametrize("value", [0, False, 2.5, ["b", "a"], {"city": " Paris "}], ids=repr)
    def test_free_data_stays_as_it_is(self, value: Any) -> None:
        assert read_ballot(value, None) == Reading(value)

    @pytest.mark.parametrize(
        ("reply", "options", "expected"),
        [
            pytest.param(True, [True, False], True, id="bool"),
            pytest.param(4.0, [3, 4, 5], 4, id="whole-float"),
            pytest.param("4", [3, 4, 5], 4, id="number-as-text"),
            pytest.param(
                {"b": 1, "a": 2}, [{"a": 2, "b": 1}], {"a": 2, "b": 1}, id="order-of-keys"
            ),
            pytest.param(["b", "a"], [["a", "b"], ["b", "a"]], ["b", "a"], id="ranking"),
        ],
    )
    def test_data_is_the_option_that_it_equals(
        self, reply: Any, options: list[Any], expected: Any
    ) -> None:
        assert repr(read_ballot(reply, options)) == repr(Reading(expected))

    @pytest.mark.parametrize(
        ("reply", "quoted"),
        [
            pytest.param(6, "6", id="number"),
            pytest.param(True, "true", id="bool-is-no-number"),
            pytest.param(["safe"], '["safe"]', id="list"),
            pytest.param(["x" * 99], '["' + "x" * 58, id="long"),
        ],
    )
    def test_data_that_is_no_option_is_unreadable(self, reply: Any, quoted: str) -> None:
        assert read_ballot(reply, ["safe", 1]) == Reading(unreadable=f"is not an option: {quoted}")

    def test_dict_with_a_ballot_gives_what_else_the_voter_said(self) -> None:
        reply = {"ballot": " SAFE ", "confidence": 0.9, "reason": "Kind.", "findings": [1]}
        expected = Reading("safe", 0.9, "Kind.", details={"findings": [1]})
        assert read_ballot(reply, SAFETY) == expected

    def test_dict_with_a_ballot_needs_nothing_else(self) -> None:
        assert read_ballot({"ballot": "x"}, None) == Reading("x")

    @pytest.mark.parametrize("ballot", [None, "hm", ""])
    def test_reason_of_an_unreadable_ballot_is_kept(self, ballot: str | None) -> None:
        read = read_ballot({"ballot": ballot, "reason": "Cannot tell."}, SAFETY)
        assert (read.ballot, read.reason) == (None, "Cannot tell.")
        assert read.unreadable

    def test_dict_without_a_ballot_is_a_free_answer(self) -> None:
        assert read_ballot({"reason": "x"}, None) == Reading({"reason": "x"})
