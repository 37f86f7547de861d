"""Published skill as people read it: a model's figures against each null, the next day's outlook.

Belongs here: cells and sentences for the command line and the page. Does not belong here: the
verdict on an asset (``accuracy``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.read.accuracy import Accuracy
from jobs.read.figures import percent, plural, usd

NULL_HEADERS = {
    "training_mean": "over the mean",
    "extension_glm": "over extension",
    "path_only": "over path_only",
    "path_ledger": "over path_ledger",
}
"""Headers by null."""


def outlook_note(sides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is expected of the next day in a sentence; none where nothing is published."""
    if not sides:
        return []
    begin = f"24 h from {sides[0]['as_of']:%Y-%m-%d %H:%M}"
    reasons = sorted({str(side["reason"]) for side in sides if side["reason"]})
    if reasons:
        return [f"{begin}: no figure: {'; '.join(reasons)}."]
    amounts = ", ".join(
        f"{side['side']}s {usd(side['expected_usd'])} (80 %: {usd(side['expected_q10_usd'])} - "
        f"{usd(side['expected_q90_usd'])})"
        for side in sides
    )
    capture = " capture is not known and counts as 1;" if sides[0]["capture_ratio"] is None else ""
    return [
        f"{begin}, over paths of recent volatility: {amounts};{capture} what is opened in these "
        "hours is on no level of the map; no statement about direction."
    ]


def held_note(held: Mapping[str, Any] | None) -> list[str]:
    """Return how often the interval of a day held what was published; none without such a day."""
    if held is None:
        return []
    amounts = "lower bounds" if held["is_lower_bound"] else "complete"
    ratio = held["expected_ratio"]
    over = "" if ratio is None else f"; expected / published {ratio:.2f}"
    days = plural(held["day_count"], "day")
    return [
        f"outlooks of {days} with published amounts ({amounts}): {held['in_interval_count']} of "
        f"{held['amount_count']} in the 80 % interval, {held['below_count']} below, "
        f"{held['above_count']} above{over}."
    ]


def skill_cells(accuracy: Accuracy, provider: str) -> dict[str, str]:
    """Return the cells of a model by header, over the longest window with figures."""
    sides = {row["side"]: row for row in accuracy.sides if row["provider"] == provider}
    covered = [
        row["interval_coverage_ratio"]
        for row in sides.values()
        if row["interval_coverage_ratio"] is not None
    ]
    return {
        "model": provider,
        **{
            header: removed_share(accuracy.score(provider, null))
            for null, header in NULL_HEADERS.items()
            if null != provider
        },
        **{f"{side}s": expected_over_published(sides.get(side)) for side in ("long", "short")},
        "in interval": percent(sum(covered) / len(covered)) if covered else "",
    }


def removed_share(score: Mapping[str, Any] | None) -> str:
    """Return the share of a null's deviance that a model removes, with its 95 % interval."""
    if score is None:
        return ""
    low, high = score["deviance_removed_low_ratio"], score["deviance_removed_high_ratio"]
    text = percent(score["deviance_removed_ratio"])
    return text if low is None else f"{text} [{100 * low:.0f}, {100 * high:.0f}]"


def expected_over_published(side: Mapping[str, Any] | None) -> str:
    """Return what a model expected of a side beside what was published."""
    if side is None or side["realised_usd"] is None or side["expected_usd"] is None:
        return ""
    return f"{usd(side['expected_usd'])} / {usd(side['realised_usd'])}"
