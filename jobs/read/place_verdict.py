"""Where liquidations came, by the published skill of an asset's maps, in words.

Belongs here: wording the columns of place. Does not belong here: amounts (``accuracy``), the scores
(``transforms.skill.places``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

_CHANCE = "chance"

_NULLS = {
    "path_only": "the path of price",
    "path_ledger": "the ledger of the path of price",
    "farthest_level": "the farthest levels",
    "oldest_level": "the levels where price has not traded for longest",
}
"""Nulls of place in words."""

_NO_FIGURE_OF_A_PAIR = ("no_map", "no_null")
"""Statuses that say nothing of the asset."""

_Row = Mapping[str, Any]
"""One row of ``marts.estimator_skill_daily``."""

_Words = Callable[[Mapping[str, _Row]], str]
"""Words for a map, from its rows by null."""


def place_verdict(rows: Sequence[_Row]) -> list[str]:
    """Return how right an asset's maps have been about places, a sentence each.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one asset and midnight, all windows; those that a release without columns of place
        published have none, and nothing is said.
    """
    return [
        *_verdict(rows, "place", "places within hours", _within_hours),
        *_verdict(rows, "top_quarter", "places within days", _within_days),
    ]


def _verdict(
    rows: Sequence[_Row], name: str, title: str, word: Callable[[Mapping[str, _Row]], str]
) -> list[str]:
    """Return a sentence for each map over the longest window with figures, or why there is none."""
    stated = [row for row in rows if row.get(f"{name}_status")]
    scored = [row for row in stated if row[f"{name}_status"] == "scored"]
    if not scored:
        reasons = {
            str(row[f"{name}_reason"])
            for row in stated
            if row[f"{name}_status"] not in _NO_FIGURE_OF_A_PAIR
        }
        return [f"{title}: no figures: {'; '.join(sorted(reasons))}."] if reasons else []
    days = max(row["window_days"] for row in scored)
    by_model: dict[str, dict[str, _Row]] = {}
    for row in scored:
        if row["window_days"] == days:
            by_model.setdefault(str(row["provider"]), {})[str(row["null_model"])] = row
    return [
        f"{title}, {days} days: {model}: {word(found)}" for model, found in sorted(by_model.items())
    ]


def _within_hours(found: Mapping[str, _Row]) -> str:
    """Return how a map splits an hour's liquidations, against the null that it beats least."""
    cells = "halves of the hour" if found[_CHANCE]["place_cells"] == "halves" else "levels"
    null = min(
        (one for one in found if one in _NULLS),
        key=lambda one: found[one]["misplaced_removed_ratio"],
        default=_CHANCE,
    )
    row = found[null]
    ratio = row["misplaced_removed_ratio"]
    low, high = (row[f"misplaced_removed_{end}_ratio"] for end in ("low", "high"))
    change = f"{100 * abs(ratio):.0f} % {'less' if ratio >= 0.0 else 'more'} misplaced over {cells}"
    name = _NULLS.get(null, "chance")
    if low is None or high is None:
        return f"{change} than {name}; the window is too short for an interval."
    interval = f"{change} [less by {100 * low:.0f} to {100 * high:.0f} %]"
    if low > 0.0:
        verdict = f"better than {name}: {interval}"
    elif high < 0.0:
        verdict = f"worse than {name}: {interval}"
    else:
        verdict = f"not shown to be better than {name}: {interval}"
    quantile = row["place_test_quantile"]
    if quantile is None:
        return f"{verdict}."
    passed = "passes" if 0.025 <= quantile <= 0.975 else "fails"
    return f"{verdict}; {passed} the S-test ({quantile:.3f})."


def _within_days(found: Mapping[str, _Row]) -> str:
    """Return what the top quarter of the levels that price traded held, for a map and for nulls."""
    own = found[_CHANCE]
    low, high = own["top_quarter_low_ratio"], own["top_quarter_high_ratio"]
    interval = "" if low is None else f" [{100 * low:.0f}, {100 * high:.0f}]"
    nulls = ", ".join(
        f"{name} {100 * (own['top_quarter_ratio'] - found[null]['top_quarter_gain_ratio']):.0f} %"
        for null, name in _NULLS.items()
        if null in found
    )
    return (
        "of the levels that price traded in 24 hours, the quarter with most on the map held "
        f"{100 * own['top_quarter_ratio']:.0f} %{interval} of liquidated USD; chance 25 %"
        f"{', ' if nulls else ''}{nulls}."
    )
