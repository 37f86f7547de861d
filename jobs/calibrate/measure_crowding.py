"""Measuring what price does at crowded levels, against lone ones, up to a midnight.

Belongs here: reading bands and prices, one row an asset, zone and class of agreement. Does not
belong here: the measures (``transforms.skill.crowding``). Instants are int64 microseconds, UTC.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from duckdb import DuckDBPyConnection

from jobs.calibrate.row_store import Replacement, replace_rows
from jobs.compare.comparison_rows import CONSENSUS
from jobs.compare.outside_maps import SIMULATED_TRUTH
from jobs.grouping import run_slices
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from transforms.bands import ZONES
from transforms.series import BoolArray, FloatArray, IntArray
from transforms.skill.crowding import (
    AFTER_HOURS,
    BLOCK_HOURS,
    LEAST_FORTNIGHTS,
    LEAST_TOUCHED,
    TOUCH_HOURS,
    ClassOutcome,
    Outcomes,
    PublishedLevels,
    compare_agreements,
    follow_levels,
)
from warehouse.contracts import stored_rows
from warehouse.queries import named_query

MEASURED_DAYS = 180
"""Days of bands behind a measurement."""

POOLED = "all"
"""Asset of the row that pools every asset, and zone of the row that pools every zone."""

_SEED = 1
"""Of the resampling: a measurement repeats to the last digit."""


@dataclass(frozen=True, slots=True)
class FollowedLevels:
    """Published levels of all assets with their outcomes.

    Parameters
    ----------
    asset, zone : ndarray of str, shape (n_levels,)
        Asset and zone of each.
    levels : PublishedLevels
        The levels.
    outcomes : Outcomes
        What price did afterwards.
    block : ndarray of int64, shape (n_levels,)
        Block of two weeks of calendar time.
    """

    asset: np.ndarray
    zone: np.ndarray
    levels: PublishedLevels
    outcomes: Outcomes
    block: IntArray


def measure_crowding(connection: DuckDBPyConnection, as_of: datetime, run_id: str) -> int:
    """Measure crowding up to the last midnight at or before an hour; return how many rows.

    Idempotent: the rows of that midnight are replaced. Without bands there are no rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    as_of : datetime
        The hour, UTC.
    run_id : str
        Written beside each row.
    """
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    from_at = midnight - timedelta(days=MEASURED_DAYS)
    followed = _follow(connection, from_at, midnight)
    if followed is None:
        return 0
    rows = [
        _row(asset, zone, outcome)
        for asset, zone, chosen in _groups(followed)
        for outcome in _compare(followed, chosen)
    ]
    table = stored_rows(
        "derived.crowding",
        {
            **{name: [row[name] for row in rows] for name in rows[0]},
            "as_of": to_microseconds(midnight),
            "from_at": to_microseconds(from_at),
            "run_id": run_id,
        },
    )
    replacement = Replacement("derived.crowding", table, "as_of = ?", [midnight])
    return replace_rows(connection, replacement)


def _follow(
    connection: DuckDBPyConnection, from_at: datetime, until: datetime
) -> FollowedLevels | None:
    """Return the levels of a time with what price did by its end; None where there are none."""
    window = {"from_at": from_at, "until_at": until}
    bands = connection.execute(
        named_query("band_levels"), {**window, "left_out": [CONSENSUS, SIMULATED_TRUTH]}
    ).to_arrow_table()
    prices = connection.execute(named_query("price_hours"), window).to_arrow_table()
    if bands.num_rows == 0:
        return None
    asset = np.asarray(bands["asset"].to_pylist())
    hour = bands["hour"].to_numpy()
    first = int(hour.min())
    n_hours = (to_microseconds(until) - first) // HOUR_MICROSECONDS + 1
    place = (hour - first) // HOUR_MICROSECONDS
    columns = [bands[name].to_numpy() for name in ("log_price", "probability", "agreeing", "votes")]
    price_asset = np.asarray(prices["asset"].to_pylist())
    price_place = (prices["hour"].to_numpy() - first) // HOUR_MICROSECONDS
    parts: list[tuple[PublishedLevels, Outcomes]] = []
    for rows in run_slices(asset):
        levels = PublishedLevels(place[rows], *(column[rows] for column in columns))
        own = (price_asset == asset[rows.start]) & (price_place >= 0)
        grid = np.full((3, n_hours), np.nan)
        for number, name in enumerate(("high", "low", "close")):
            grid[number, price_place[own]] = prices[name].to_numpy()[own]
        parts.append((levels, follow_levels(levels, *grid)))
    return FollowedLevels(
        asset=asset,
        zone=np.asarray(bands["zone"].to_pylist()),
        levels=PublishedLevels(place, *columns),
        outcomes=Outcomes(
            *(
                np.concatenate([getattr(outcomes, name) for _, outcomes in parts])
                for name in ("is_touched", "is_known", "overshoot_bps", "is_reversed")
            )
        ),
        block=hour // (BLOCK_HOURS * HOUR_MICROSECONDS),
    )


def _groups(followed: FollowedLevels) -> Iterator[tuple[str, str, BoolArray]]:
    """Yield each asset and zone, pooled ones too, with the levels that belong to it."""
    for asset in (*sorted(set(followed.asset.tolist())), POOLED):
        is_own = (followed.asset == asset) | (asset == POOLED)
        for zone in (*ZONES, POOLED):
            yield asset, zone, is_own & ((followed.zone == zone) | (zone == POOLED))


def _compare(followed: FollowedLevels, chosen: BoolArray) -> tuple[ClassOutcome, ...]:
    def take(values: FloatArray) -> FloatArray:
        return values[chosen]

    levels, outcomes = followed.levels, followed.outcomes
    return compare_agreements(
        PublishedLevels(
            levels.hour[chosen],
            *map(take, (levels.log_price, levels.probability, levels.agreeing, levels.votes)),
        ),
        Outcomes(
            outcomes.is_touched[chosen],
            outcomes.is_known[chosen],
            take(outcomes.overshoot_bps),
            take(outcomes.is_reversed),
        ),
        followed.block[chosen],
        np.random.default_rng(_SEED),
    )


def _row(asset: str, zone: str, outcome: ClassOutcome) -> dict[str, object]:
    """Return the columns of one class; NaN as NULL."""
    figures = {
        "touch_ratio": outcome.touch_ratio,
        "expected_touch_ratio": outcome.expected_touch_ratio,
        "touch_excess_ratio": outcome.touch_excess.value,
        "touch_excess_low_ratio": outcome.touch_excess.low,
        "touch_excess_high_ratio": outcome.touch_excess.high,
        "overshoot_bps": outcome.overshoot_bps.value,
        "overshoot_low_bps": outcome.overshoot_bps.low,
        "overshoot_high_bps": outcome.overshoot_bps.high,
        "reversal_ratio": outcome.reversal_ratio.value,
        "reversal_low_ratio": outcome.reversal_ratio.low,
        "reversal_high_ratio": outcome.reversal_ratio.high,
    }
    return {
        "asset": asset,
        "zone": zone,
        "agreement": outcome.agreement,
        "level_count": outcome.level_count,
        "touched_count": outcome.touched_count,
        "block_count": outcome.block_count,
        **{name: None if math.isnan(value) else value for name, value in figures.items()},
        "reason": _reason(outcome),
    }


def _reason(outcome: ClassOutcome) -> str | None:
    """Return why a figure or its interval is missing."""
    if outcome.level_count == 0:
        return "no band whose outcome is known"
    if math.isnan(outcome.reversal_ratio.value):
        return f"fewer than {LEAST_TOUCHED} bands were touched"
    if outcome.block_count < LEAST_FORTNIGHTS:
        return (
            f"bands of {LEAST_FORTNIGHTS} two-week blocks, followed for "
            f"{TOUCH_HOURS + AFTER_HOURS - 1} hours, make an interval; here are "
            f"{outcome.block_count}"
        )
    return None
