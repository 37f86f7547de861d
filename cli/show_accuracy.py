"""`liqheat accuracy`: how right the models of an asset have been, against the path of price."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cli.arguments import AsOfPublished, Asset, Rows, published_hour
from cli.output import Format, print_table
from cli.published import write_all
from jobs.read.figures import percent, usd
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.read.accuracy import Accuracy

_NULLS = {
    "training_mean": "over the mean",
    "extension_glm": "over extension",
    "path_only": "over path_only",
    "path_ledger": "over path_ledger",
}
"""Headers by null."""


def accuracy_command(asset: Asset, form: Rows = Format.table, as_of: AsOfPublished = None) -> None:
    """Show how right each model has been on an asset, out of sample, and against what."""
    from jobs.read.accuracy import choose_provider, read_accuracy, verdict

    settings, asset, until = read_settings(), asset.upper(), published_hour(as_of)
    accuracy = read_accuracy(settings, asset, until)
    if form is not Format.table:
        write_all(tuple(accuracy.rows[0]), [dict(row) for row in accuracy.rows], form)
        return
    days = accuracy.window_days
    window = "up" if days is None else f"{days} days"
    print_table(
        f"{asset}, {window} to {accuracy.as_of:%Y-%m-%d %H:%M} UTC: of the deviance that a null "
        "leaves in published liquidations, the share that each model removes",
        [_cells(accuracy, provider) for provider in accuracy.providers],
        columns=("model", *_NULLS.values(), "longs", "shorts", "in interval"),
        words=("model",),
        notes=(
            *verdict(accuracy),
            *outlook_note(accuracy.outlook),
            *held_note(accuracy.outlook_held),
            f"map shown by default: {choose_provider(settings, asset, until).reason}.",
            "in brackets: 95 % interval. longs, shorts: expected / published USD. "
            "in interval: hours within the 80 % interval. Every model is given the same constant, "
            "move and capture, and the path of price in the hour.",
        ),
    )


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
    days = f"{held['day_count']} day{'' if held['day_count'] == 1 else 's'}"
    return [
        f"outlooks of {days} with published amounts ({amounts}): {held['in_interval_count']} of "
        f"{held['amount_count']} in the 80 % interval, {held['below_count']} below, "
        f"{held['above_count']} above{over}."
    ]


def _cells(accuracy: "Accuracy", provider: str) -> dict[str, str]:
    sides = {row["side"]: row for row in accuracy.sides if row["provider"] == provider}
    covered = [
        row["interval_coverage_ratio"]
        for row in sides.values()
        if row["interval_coverage_ratio"] is not None
    ]
    return {
        "model": provider,
        **{
            header: _figure(accuracy.score(provider, null))
            for null, header in _NULLS.items()
            if null != provider
        },
        **{f"{side}s": _amounts(sides.get(side)) for side in ("long", "short")},
        "in interval": percent(sum(covered) / len(covered)) if covered else "",
    }


def _figure(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return ""
    low, high = score["deviance_removed_low_ratio"], score["deviance_removed_high_ratio"]
    text = percent(score["deviance_removed_ratio"])
    return text if low is None else f"{text} [{100 * low:.0f}, {100 * high:.0f}]"


def _amounts(side: Mapping[str, Any] | None) -> str:
    if side is None or side["realised_usd"] is None or side["expected_usd"] is None:
        return ""
    return f"{usd(side['expected_usd'])} / {usd(side['realised_usd'])}"
