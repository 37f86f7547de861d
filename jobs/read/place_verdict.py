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

_Words = Callable[[Mapping[str, Mapping[str, _Row]]], list[str]]
"""Sentences on rows by model and null."""


def place_verdict(rows: Sequence[_Row]) -> list[str]:
    """Return how right an asset's maps have been about places, a sentence each.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one asset and midnight, all windows; those that a release without columns of place
        published have none, and nothing is said.
    """
    hours, days = (_reasons(rows, name) for name in ("place", "top_quarter"))
    if hours and hours == days:
        return [f"places: no figures: {hours}."]
    return [
        *_reason_or(_within_hours, rows, "place", "places within hours"),
        *_reason_or(_within_days, rows, "top_quarter", "places within days"),
    ]


def _reasons(rows: Sequence[_Row], name: str) -> str:
    """Return why there is no figure; empty where there is one, or nothing is stated."""
    statuses = {row.get(f"{name}_status") for row in rows}
    if "scored" in statuses:
        return ""
    return "; ".join(
        sorted(
            {
                str(row[f"{name}_reason"])
                for row in rows
                if row.get(f"{name}_status") not in (None, *_NO_FIGURE_OF_A_PAIR)
            }
        )
    )


def _reason_or(words: _Words, rows: Sequence[_Row], name: str, title: str) -> list[str]:
    """Return sentences on the longest window with figures, or why there is none."""
    scored = [row for row in rows if row.get(f"{name}_status") == "scored"]
    if not scored:
        reasons = _reasons(rows, name)
        return [f"{title}: no figures: {reasons}."] if reasons else []
    days = max(row["window_days"] for row in scored)
    by_model: dict[str, dict[str, _Row]] = {}
    for row in scored:
        if row["window_days"] == days:
            by_model.setdefault(str(row["provider"]), {})[str(row["null_model"])] = row
    return [f"{title}, {days} days: {one}" for one in words(dict(sorted(by_model.items())))]


def _within_hours(by_model: Mapping[str, Mapping[str, _Row]]) -> list[str]:
    """Return how each map splits an hour's liquidations."""
    return [f"{model}: {_against_nearest_null(rows)}" for model, rows in by_model.items()]


def _against_nearest_null(found: Mapping[str, _Row]) -> str:
    """Return how a map splits an hour's liquidations, against the null that it beats least."""
    cells = "halves of the hour" if found[_CHANCE]["place_cells"] == "halves" else "levels"
    null = min(found, key=lambda one: found[one]["misplaced_removed_ratio"])
    row = found[null]
    ratio = row["misplaced_removed_ratio"]
    low, high = (row[f"misplaced_removed_{end}_ratio"] for end in ("low", "high"))
    change = f"{100 * abs(ratio):.0f} % {'less' if ratio >= 0.0 else 'more'} misplaced over {cells}"
    name = _NULLS.get(null, _CHANCE)
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


def _within_days(by_model: Mapping[str, Mapping[str, _Row]]) -> list[str]:
    """Return what the top quarter of the levels that price traded held, for maps and for nulls."""
    maps = ", ".join(f"{model} {_top(rows[_CHANCE])}" for model, rows in by_model.items())
    shares = {
        null: row["top_quarter_ratio"] - row["top_quarter_gain_ratio"]
        for rows in by_model.values()
        for null, row in rows.items()
    }
    nulls = ", ".join(
        f"{name} {100 * shares[null]:.0f} %" for null, name in _NULLS.items() if null in shares
    )
    return [
        "of the levels that price traded in 24 hours, the quarter with most on the map held, of "
        f"liquidated USD: {maps}; chance 25 %{', ' if nulls else ''}{nulls}."
    ]


def _top(row: _Row) -> str:
    """Return a share with its interval."""
    low, high = row["top_quarter_low_ratio"], row["top_quarter_high_ratio"]
    interval = "" if low is None else f" [{100 * low:.0f}, {100 * high:.0f}]"
    return f"{100 * row['top_quarter_ratio']:.0f} %{interval}"
