"""The published skill of an asset's models, in words, and whose map is shown.

Belongs here: reading skill and wording it. Does not belong here: scores (``transforms.skill``) and
where they are made (``jobs.calibrate``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jobs.errors import NothingToDo
from jobs.read.place_verdict import place_verdict
from jobs.read.query import named_rows, named_rows_if_published, open_reader
from jobs.settings import Settings
from warehouse.read import Reader

DEFAULT_PROVIDER = "turnover"
"""Whose map is shown where skill does not speak for another."""

LEDGERS = ("path_ledger", "volume_ledger")
LAGGED_FORECAST = "lagged_forecast"
FORECASTS = ("liquidation_forecast", LAGGED_FORECAST)
TRAINING_MEAN = "training_mean"

LEAST_WINDOW_DAYS = 30
"""Shortest window by which another provider becomes the default."""

SkillRow = Mapping[str, Any]
"""One row of ``marts.estimator_skill_daily``."""


@dataclass(frozen=True, slots=True)
class MapProvider:
    """Whose map is shown, and why.

    Parameters
    ----------
    name : str
        The provider.
    reason : str
        A sentence for the reader.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The skill of an asset's models at one midnight.

    Parameters
    ----------
    asset : str
        The asset.
    as_of : datetime
        The midnight, UTC.
    rows : tuple of mapping
        Every row of it, all windows.
    window_days : int or None
        The longest window with figures; None without any.
    sides : tuple of mapping
        By provider and side over that window: expected and published USD, share of hours in the
        80 % interval, share of what is expected that is on no level of the map.
    outlook : tuple of mapping
        By side, longs first, what is expected of the 24 hours after the newest midnight; empty
        where none is published.
    outlook_held : mapping or None
        How often the interval of such an outlook held what was published; None without a day that
        has both.
    """

    asset: str
    as_of: datetime
    rows: tuple[SkillRow, ...]
    window_days: int | None
    sides: tuple[Mapping[str, Any], ...]
    outlook: tuple[Mapping[str, Any], ...] = ()
    outlook_held: Mapping[str, Any] | None = None

    def score(self, provider: str, null_model: str) -> SkillRow | None:
        """Return the row of a model against a null over the window; None without figures."""
        return _score(self.rows, self.window_days, provider, null_model)

    @property
    def providers(self) -> list[str]:
        """Models with figures over the window, best first."""
        found = [
            row
            for row in self.rows
            if row["window_days"] == self.window_days
            and row["null_model"] == TRAINING_MEAN
            and row["status"] == "scored"
        ]
        return [
            str(row["provider"])
            for row in sorted(found, key=lambda row: -row["deviance_removed_ratio"])
        ]


def read_accuracy(settings: Settings, asset: str, as_of: datetime | None = None) -> Accuracy:
    """Return the published skill of an asset's models.

    Raises
    ------
    NothingToDo
        None is published.
    """
    with open_reader(settings) as reader:
        return accuracy_of(reader, asset, as_of)


def accuracy_of(reader: Reader, asset: str, as_of: datetime | None = None) -> Accuracy:
    """Return the published skill of an asset's models through an open reader.

    Raises
    ------
    NothingToDo
        None is published.
    """
    rows = named_rows_if_published(reader, "accuracy", {"asset": asset, "as_of": as_of})
    if not rows:
        raise NothingToDo(
            f"no skill of {asset} is published; run `liqheat calibrate`, then `liqheat publish`"
        )
    window = longest_window(rows)
    at = rows[0]["as_of"]
    sides: list[dict[str, Any]] = []
    if window is not None:
        between = {"asset": asset, "from_at": at - timedelta(days=window), "until_at": at}
        sides = named_rows(reader, "accuracy_sides", between)
    until = {"asset": asset, "as_of": at}
    outlook = named_rows_if_published(reader, "outlook_days", {**until, "days": 1}) or []
    held = named_rows_if_published(reader, "outlook_held", until) or []
    return Accuracy(
        asset, at, tuple(rows), window, tuple(sides), tuple(outlook), held[0] if held else None
    )


def longest_window(rows: Sequence[SkillRow]) -> int | None:
    """Return the longest window in which some model has figures; None without any."""
    return max((row["window_days"] for row in rows if row["status"] == "scored"), default=None)


def choose_provider(settings: Settings, asset: str, as_of: datetime | None = None) -> MapProvider:
    """Return whose map of an asset is shown unless the reader chooses, as `provider_shown`."""
    with open_reader(settings) as reader:
        return provider_shown(reader, asset, as_of)


def provider_shown(reader: Reader, asset: str, as_of: datetime | None = None) -> MapProvider:
    """Return whose map of an asset is shown unless somebody chooses another, and why.

    It is that of a ledger once the published skill table of the home says so: over at least
    ``LEAST_WINDOW_DAYS`` it leaves less deviance than every estimator, its whole interval included.
    Without open interest no estimator has a map; then it is the ledger of the path.
    """
    rows = named_rows_if_published(reader, "accuracy", {"asset": asset, "as_of": as_of})
    if rows is None:
        return MapProvider(DEFAULT_PROVIDER, f"{DEFAULT_PROVIDER}: no skill is published")
    maps = named_rows(reader, "published_map_providers", {"asset": asset, "as_of": as_of})
    published = {row["provider"] for row in maps}
    chosen = provider_by_skill(rows, published)
    if chosen.name not in published and LEDGERS[0] in published:
        return MapProvider(LEDGERS[0], f"{LEDGERS[0]}: no map of {chosen.name} is published")
    return chosen


def provider_by_skill(rows: Sequence[SkillRow], published: set[str]) -> MapProvider:
    """Return whose map is shown by some rows of skill.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of one asset and midnight.
    published : set of str
        Providers that have a map.
    """
    default = DEFAULT_PROVIDER
    window = longest_window(rows)
    if window is None:
        return MapProvider(default, f"{default}: no model has been scored on this asset here")
    if window < LEAST_WINDOW_DAYS:
        return MapProvider(
            default,
            f"{default}: models have been scored over {window} days here, less than "
            f"{LEAST_WINDOW_DAYS}",
        )
    estimators = {
        row["provider"]
        for row in rows
        if row["window_days"] == window and row["status"] == "scored"
    } - {*LEDGERS, *FORECASTS}
    ledger = "path_ledger"
    found = [_score(rows, window, name, ledger) for name in sorted(estimators)]
    highs = [row["deviance_removed_high_ratio"] for row in found if row is not None]
    is_better = (
        bool(highs)
        and len(highs) == len(found)
        and all(high is not None and high < 0.0 for high in highs)
    )
    if is_better and ledger not in published:
        return MapProvider(default, f"{default}: the ledger has no published map")
    if not is_better:
        return MapProvider(
            default,
            f"{default}: over {window} days the ledger is not shown to be better than every "
            "estimator here",
        )
    volume = _score(rows, window, "volume_ledger", ledger)
    low = None if volume is None else volume["deviance_removed_low_ratio"]
    if low is not None and low > 0.0 and "volume_ledger" in published:
        ledger = "volume_ledger"
    return MapProvider(
        ledger,
        f"{ledger}: over the last {window} days it left less of published liquidations unexplained "
        "than every estimator here (`liqheat accuracy`)",
    )


def verdict(accuracy: Accuracy) -> list[str]:
    """Return how right an asset's models have been, a sentence each."""
    if accuracy.window_days is None:
        own = [row for row in accuracy.rows if row["null_model"] == TRAINING_MEAN]
        reasons = sorted({str(row["reason"]) for row in own if row["reason"]})
        return [f"no figures: {'; '.join(reasons)}."]
    first = next(row for row in accuracy.rows if row["status"] == "scored")
    said = [
        f"published liquidations: {', '.join(first['realised_feeds'])}; "
        + (
            "a lower bound, since some venue publishes only part of them."
            if first["is_lower_bound"]
            else "complete for these venues."
        )
    ]
    # What is known before the hour is not given the path, so it is not held against it.
    given_path = [provider for provider in accuracy.providers if provider != LAGGED_FORECAST]
    said += [_against_path(accuracy, provider) for provider in given_path]
    said += _without_figures(accuracy)
    off_map = {
        row["provider"]: row["off_map_ratio"]
        for row in accuracy.sides
        if row["off_map_ratio"] is not None and row["side"] == "long"
    }
    said += [
        f"{provider}: {100 * ratio:.0f} % of what it expects of longs is on no level of its map "
        "(the move itself, and a constant)."
        for provider, ratio in sorted(off_map.items())
    ]
    said += place_verdict(accuracy.rows)
    lagged = accuracy.score(LAGGED_FORECAST, TRAINING_MEAN)
    if lagged is not None:
        said.append(
            "all of this is given the path of price in the hour. From what is known before the "
            f"hour {100 * max(lagged['deviance_removed_ratio'], 0.0):.0f} % is explained."
        )
    if first["is_short_fit"]:
        said.append("fitted on less than 90 days: these figures can still change much.")
    return said


def _without_figures(accuracy: Accuracy) -> list[str]:
    """Return which models have no figures over the window, a sentence for each reason."""
    models: dict[str, list[str]] = {}
    for row in accuracy.rows:
        if (
            row["window_days"] == accuracy.window_days
            and row["null_model"] == TRAINING_MEAN
            and row["status"] != "scored"
        ):
            models.setdefault(str(row["reason"]), []).append(str(row["provider"]))
    return [f"no figures: {', '.join(sorted(own))}: {reason}." for reason, own in models.items()]


_PATH_NULLS = {
    "path_ledger": "the ledger of the path of price",
    "path_only": "the path of price",
    "extension_glm": "a regression on how far price went",
}
"""Nulls without open interest, in words."""


def against_path(accuracy: Accuracy, provider: str) -> tuple[str, SkillRow] | None:
    """Return the null of the path of price that a model beats least, in words, and the score."""
    found = {
        null: score
        for null in _PATH_NULLS
        if null != provider and (score := accuracy.score(provider, null)) is not None
    }
    if not found:
        return None
    null = min(found, key=lambda one: found[one]["deviance_removed_ratio"])
    return _PATH_NULLS[null], found[null]


def _against_path(accuracy: Accuracy, provider: str) -> str:
    """Return how a model does against the path of price alone: the null that it beats least."""
    found = against_path(accuracy, provider)
    if found is None:
        return f"{provider}: no null to compare it with."
    name, score = found
    low, high = (score[f"deviance_removed_{end}_ratio"] for end in ("low", "high"))
    ratio = score["deviance_removed_ratio"]
    change = f"leaves {100 * abs(ratio):.0f} % {'less' if ratio >= 0.0 else 'more'} unexplained"
    if low is None or high is None:
        return f"{provider}: {change} than {name}; the window is too short for an interval."
    interval = f"{change} [less by {100 * low:.0f} to {100 * high:.0f} %]"
    if low > 0.0:
        return f"{provider}: better than {name}: {interval}."
    if high < 0.0:
        return f"{provider}: worse than {name}: {interval}."
    return f"{provider}: not shown to be better than {name}: {interval}."


def _score(
    rows: Sequence[SkillRow], window: int | None, provider: str, null_model: str
) -> SkillRow | None:
    for row in rows:
        if (
            row["window_days"] == window
            and row["provider"] == provider
            and row["null_model"] == null_model
            and row["status"] == "scored"
        ):
            return row
    return None
