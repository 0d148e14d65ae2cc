"""Print all tables and draw the frontier: `make bench-voting`."""

from time import perf_counter

from voting import extras, frontier, panels, wire
from voting.picture import TARGET, draw
from voting.recordings import panel
from voting.specs import ALL, FRONTIER
from voting.tables import console, print_choosing, print_flagging, print_frontier, print_table

FEW = ("fixed 1", "fixed 5", "ahead by 3", "beta 0.95", "settled of 39", ALL)
"""The stops that are shown of the less telling data sets."""


def main() -> None:
    """Run everything."""
    began = perf_counter()
    _sampled()
    _extras()
    _panels()
    _wire()
    console.print(f"Drew {TARGET.name}. All in {perf_counter() - began:.0f} s.")


def _sampled() -> None:
    recordings = frontier.four()
    tables = [frontier.measure(recording, FRONTIER) for recording in recordings]
    mean = frontier.mean(tables)
    draw(mean)
    for recording, rows in zip(recordings, tables, strict=True):
        print_frontier(f"FOLIO, GPT-3.5, {recording.name}", rows)
    print_frontier("FOLIO, GPT-3.5, mean of these four", mean)
    print_table(
        "How many calls start together (the same four)",
        ["stop", "rounds", "mean calls", "mean rounds"],
        extras.kinds_of_rounds(recordings, ("ahead by 3", "beta 0.95", "settled of 15")),
    )
    for recording in frontier.others():
        print_frontier(recording.name, frontier.measure(recording, FEW))


def _extras() -> None:
    print_table(
        "Half of the ballots unreadable (FOLIO, GPT-3.5, formal logic, 1 shot)",
        ["unreadable ballots are", "accuracy", "mean calls"],
        ((name, 100 * accuracy, calls) for name, accuracy, calls in extras.unreadable()),
    )
    print_table(
        "Ways of working mixed (FOLIO, GPT-4, 8 shots)",
        ["calls", "accuracy"],
        ((name, 100 * accuracy) for name, accuracy in extras.mixed()),
    )
    print_table(
        "Best of N with a checker (Game of 24, GPT-4), doubling rounds",
        ["N", "solved", "mean calls", "mean rounds"],
        ((str(n), 100 * solved, *rest) for n, solved, *rest in extras.best((1, 5, 20, 100))),
    )


def _panels() -> None:
    for code, language in (("en", "English"), ("de", "German"), ("zh", "Chinese")):
        recording = panel(f"toxicity-{code}")
        print_flagging(f"Toxicity, {language}", panels.flagging(recording))
    print_choosing("Policy topics", panels.choosing(panel("policy-en")))
    print_choosing("MMLU-Pro", panels.choosing(panel("mmlupro")))


def _wire() -> None:
    print_table(
        "On the wire: five of nine voters agree, the others are closed (milliseconds)",
        ["vote", "median", "slowest", "decided alike"],
        wire.measure(),
    )


if __name__ == "__main__":
    main()
