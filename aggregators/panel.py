"""What many votes say of the panel itself: which voters repeat one another."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import sqrt
from statistics import fmean
from typing import Any

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.errors import SetupError


def panel_statistics(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare the voters of a panel over many of its reports.

    A voter that nearly always agrees with another adds little; one that is often unreadable or
    seldom with the outcome may harm. Agreement is not correctness: only labelled data shows that.
    Advisers and judges are left out.

    The correlation of two voters is that of their votes as indicators of each label, which for two
    labels is the phi coefficient. The effective number of votes is n / (1 + (n - 1) r) with the
    mean correlation r: how many independent voters would be worth as much (L. Kish, Survey
    Sampling, 1965, on the design effect of clusters). A negative mean counts as 0.

    Args:
        reports: Each `report` of one voting graph, on different inputs.

    Returns:
        `reports` (their number); `voters`, by name: `ballots`, `unreadable` (share of its calls)
        and `with_outcome` (share of its ballots that are the decision); `pairs`: `voters`, `both`
        (reports in which both have a readable ballot), `agreement` and `correlation` (`None`
        where one of them never varies); `mean_agreement`, `mean_correlation`, `effective_votes`
        (`None` where no pair has any).

    Raises:
        SetupError: A report is not one of a vote, or there are fewer than two voters.

    Example:
        >>> def report(decision, **ballots):
        ...     branches = [
        ...         {"name": name, "status": "ok", "output": {"ballot": b, "unreadable": None}}
        ...         for name, b in ballots.items()
        ...     ]
        ...     return {"pattern": "voting", "decision": decision, "branches": branches}
        >>> reports = [report("x", a="x", b="x", c="y"), report("y", a="y", b="y", c="y")]
        >>> panel_statistics(reports)["pairs"][0]
        {'voters': ['a', 'b'], 'both': 2, 'agreement': 1.0, 'correlation': 1.0}
    """
    runs = list(reports)
    calls = [_calls(report) for report in runs]
    votes = [{name: cast[-1] for name, cast in run.items()} for run in calls]
    names = list(dict.fromkeys(name for cast in votes for name in cast))
    if len(names) < 2:  # noqa: PLR2004
        raise SetupError(
            f"A panel has two or more voters, but the {len(runs)} reports have {len(names)}. Give "
            "the reports of a graph that was built with several voters."
        )
    pairs = [_pair(one, other, votes) for one, other in combinations(names, 2)]
    agreement = [pair["agreement"] for pair in pairs if pair["agreement"] is not None]
    correlation = [pair["correlation"] for pair in pairs if pair["correlation"] is not None]
    mean = fmean(correlation) if correlation else None
    effective = None if mean is None else len(names) / (1 + (len(names) - 1) * max(mean, 0.0))
    return {
        "reports": len(runs),
        "voters": {name: _voter(name, runs, calls) for name in names},
        "pairs": pairs,
        "mean_agreement": fmean(agreement) if agreement else None,
        "mean_correlation": mean,
        "effective_votes": effective,
    }


def _calls(report: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """Give the labels of each voter's calls in one report, `None` where unreadable.

    Cancelled calls are left out, and so are advisers and a judge.
    """
    if report.get("pattern") != "voting":
        raise SetupError(
            f"A report of {report.get('pattern')!r} has no ballots. Give the reports of "
            "a voting graph: result['report']."
        )
    counting = report.get("voters")
    stands_for = {name: kept for kept, names in report.get("merged", {}).items() for name in names}
    calls: dict[str, list[str | None]] = {}
    for branch in report["branches"]:
        if branch["status"] == "cancelled" or (counting and branch["name"] not in counting):
            continue
        output = branch["output"]
        is_readable = branch["status"] == "ok" and output["unreadable"] is None
        name = label(output["ballot"]) if is_readable else None
        calls.setdefault(branch["name"], []).append(stands_for.get(name, name) if name else None)
    return calls


def _voter(
    name: str, runs: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, list[str | None]]]
) -> dict[str, Any]:
    cast = [(run, vote) for run, by in zip(runs, calls, strict=True) for vote in by.get(name, [])]
    ballots = [(run, vote) for run, vote in cast if vote is not None]
    agreeing = [vote == label(run["decision"]) for run, vote in ballots if run.get("decided", True)]
    return {
        "ballots": len(ballots),
        "unreadable": 1 - len(ballots) / len(cast),
        "with_outcome": fmean(agreeing) if agreeing else None,
    }


def _pair(one: str, other: str, votes: Sequence[Mapping[str, str | None]]) -> dict[str, Any]:
    both = [
        (first, second)
        for cast in votes
        if (first := cast.get(one)) is not None and (second := cast.get(other)) is not None
    ]
    return {
        "voters": [one, other],
        "both": len(both),
        "agreement": fmean(a == b for a, b in both) if both else None,
        "correlation": _correlation(both),
    }


def _correlation(both: Sequence[tuple[str, str]]) -> float | None:
    """Correlate two series of labels as indicators of each label."""
    labels = {name for pair in both for name in pair}
    covariance = first_variance = second_variance = 0.0
    for name in labels:
        first = [float(a == name) for a, _ in both]
        second = [float(b == name) for _, b in both]
        first_mean, second_mean = fmean(first), fmean(second)
        covariance += sum(
            (a - first_mean) * (b - second_mean) for a, b in zip(first, second, strict=True)
        )
        first_variance += sum((a - first_mean) ** 2 for a in first)
        second_variance += sum((b - second_mean) ** 2 for b in second)
    if not first_variance or not second_variance:
        return None
    return covariance / sqrt(first_variance * second_variance)
