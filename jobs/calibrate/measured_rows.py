"""Rows of what followed accounts teach: leverage, survival and parameters.

Belongs here: which groups there are and the columns of each row. Does not belong here: reading the
log (``measured_log``), statistics (``transforms.positions``).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from jobs.calibrate.measured_log import VENUE, MeasuredLog, tier_if_fresh
from jobs.instants import to_microseconds
from transforms.estimators import ESTIMATORS
from transforms.positions.account_draws import Evidence, MeasuredFigure
from transforms.positions.changes import HOUR, follow
from transforms.positions.half_lives import LeavingRates, fresh_shares, leaving_rates
from transforms.positions.leverage import (
    CLASS_NAMES,
    DISTANCE_NAMES,
    SIZE_NAMES,
    TIERS,
    class_of,
    distance_of,
    shares_of,
    size_of_positions,
    standing_at,
)
from transforms.positions.outcomes import (
    GONE,
    MARGIN_ADDED,
    MOVED,
    REACHED,
    PositionOutcomes,
    follow_maps,
    timed_outcomes,
)
from transforms.positions.survival import HORIZONS, shares_within
from transforms.series import BoolArray, IntArray
from warehouse.contracts import stored_rows

POOLED: Final = "all"
"""Name of a group that pools every asset, size, class or distance."""

MOST_ASSETS: Final = 10
"""Assets with rows of their own: those with most positions."""

MAP_HOURS: Final = 25
"""Hours between the maps whose positions are followed: no hour of the day counts more."""

OUTCOME_NAMES: Final = {
    GONE: "gone", REACHED: "reached", MOVED: "moved", MARGIN_ADDED: "margin_added",
}  # fmt: skip

_SHIPPED: Final = ESTIMATORS["turnover"]

Rates = dict[tuple[bool, bool], LeavingRates]
"""Rates of leaving by whether positions are counted and whether leaving the place counts."""


def measured_rates(log: MeasuredLog, tier: IntArray) -> Rates:
    """Return the rates at which positions leave, by tier."""
    rates: Rates = {}
    for is_counting in (False, True):
        for is_place in (False, True):
            stretches = follow(
                log.changes,
                (log.from_at, log.until_at),
                is_counting=is_counting,
                is_leaving_place=is_place,
            )
            rates[is_counting, is_place] = leaving_rates(
                log.changes, stretches, tier, len(TIERS), log.draws
            )
    return rates


def leverage_rows(log: MeasuredLog, rates: dict[str, Rates], run_id: str) -> pa.Table:
    """Return the rows of ``derived.measured_leverage``; rates by basis."""
    size = size_of_positions(log.changes.notional_usd)
    rows: list[dict[str, Any]] = []
    for asset, own in asset_groups(log):
        for number, name in enumerate((*SIZE_NAMES, POOLED)):
            chosen = own & ((size == number) | (name == POOLED))
            for basis, tier in (("set", log.set_tier), ("effective", log.effective_tier)):
                of_group = np.where(chosen, tier, -1)
                for kind, found in (
                    ("standing", _standing_shares(log, of_group)),
                    ("fresh", _fresh_shares(log, of_group, rates[basis])),
                ):
                    rows += [
                        {"asset": asset, "size": name, "kind": kind, "basis": basis,
                         "leverage": leverage, **_shares(by_size, by_count)}
                        for leverage, by_size, by_count in zip(TIERS, *found, strict=True)
                    ]  # fmt: skip
    return _stored("derived.measured_leverage", log, run_id, rows)


def _standing_shares(log: MeasuredLog, tier: IntArray) -> list[tuple[MeasuredFigure, ...]]:
    """Return shares of tiers in positions held at midnight, as last seen: by size and by count."""
    changes = log.changes
    is_held = standing_at(changes, to_microseconds(log.midnight))
    account, own = changes.account[is_held], tier[is_held]
    return [
        shares_of(account, own, weight, len(TIERS), log.draws)
        for weight in (changes.notional_usd[is_held], np.ones(len(own)))
    ]


def _fresh_shares(
    log: MeasuredLog, tier: IntArray, rates: Rates
) -> list[tuple[MeasuredFigure, ...]]:
    """Return shares of tiers in what was opened: by size and by count."""
    own = tier_if_fresh(log, tier)
    return [
        fresh_shares(
            log.changes, own, rates[is_counting, False], log.draws, is_counting=is_counting
        )
        for is_counting in (False, True)
    ]


def survival_rows(log: MeasuredLog, run_id: str) -> pa.Table | None:
    """Return the rows of ``derived.measured_survival``; None where no map was followed."""
    first = max(int(log.changes.observed_at.min()), log.from_at)
    maps = np.arange(first + HOUR, log.until_at - HOUR, MAP_HOURS * HOUR)
    if len(maps) == 0:
        return None
    outcomes = follow_maps(log.changes, maps)
    followed = (log.until_at - maps) / HOUR
    cells = list(_cells(log, outcomes))
    rows: list[dict[str, Any]] = []
    for kind, outcome in OUTCOME_NAMES.items():
        by_size, by_count = (
            timed_outcomes(log.changes, outcomes, kind, followed, is_counting=is_counting)
            for is_counting in (False, True)
        )
        for names, is_own in cells:
            found = [
                shares_within(timed.part(is_own[item]), log.draws)
                for timed, item in (by_size, by_count)
            ]
            rows += [
                {**names, "horizon_hours": round(horizon), "outcome": outcome,
                 **_shares(size, count)}
                for horizon, size, count in zip(HORIZONS, *found, strict=True)
            ]  # fmt: skip
    return _stored("derived.measured_survival", log, run_id, rows)


def parameter_rows(
    log: MeasuredLog, rates: Rates, other_venues: Sequence[str], run_id: str
) -> pa.Table:
    """Return the rows of ``derived.measured_parameter``, assumptions for other venues included."""
    rows: list[dict[str, Any]] = []
    fresh = _fresh_shares(log, log.effective_tier, rates)
    for is_counting, weighting, weights in zip(
        (False, True), ("quantity", "count"), fresh, strict=True
    ):
        leaving = rates[is_counting, False]
        in_place = rates[is_counting, True]
        nothing = np.full(len(TIERS), np.nan)
        for parameter, unit, found, latest in (
            ("weight", "ratio", weights, nothing),
            ("half_life", "days", leaving.half_life_days, leaving.latest_half_life_days),
            ("place_half_life", "days", in_place.half_life_days, in_place.latest_half_life_days),
        ):
            rows += [
                {"venue": VENUE, "parameter": parameter, "leverage": leverage,
                 "weighting": weighting, "unit": unit, "is_assumption": False,
                 "latest_value": _or_none(late), "shipped_value": _shipped(parameter, number),
                 "value": _or_none(one.value), "low": _or_none(one.low),
                 "high": _or_none(one.high), "position_count": one.positions,
                 "account_count": one.accounts, "reason": reason_of(one)}
                for number, (leverage, one, late)
                in enumerate(zip(TIERS, found, latest, strict=True))
            ]  # fmt: skip
    assumed = [
        {**row, "venue": venue, "is_assumption": True, "low": None, "high": None,
         "latest_value": None, "position_count": 0, "account_count": 0,
         "reason": f"assumed to be as on {VENUE}; nothing is measured here"}
        for venue in other_venues
        for row in rows
        if row["value"] is not None
    ]  # fmt: skip
    return _stored("derived.measured_parameter", log, run_id, [*rows, *assumed])


def asset_groups(log: MeasuredLog) -> Iterator[tuple[str, BoolArray]]:
    """Yield all assets together, then those with most positions, with the rows of each."""
    changes = log.changes
    yield POOLED, np.ones(len(changes), dtype=np.bool_)
    starts = np.bincount(changes.asset[changes.is_start], minlength=len(log.assets))
    for code in np.argsort(-starts, kind="stable")[:MOST_ASSETS].tolist():
        if starts[code]:
            yield log.assets[code], changes.asset == code


def _cells(
    log: MeasuredLog, outcomes: PositionOutcomes
) -> Iterator[tuple[dict[str, str], BoolArray]]:
    """Yield the names of each group of positions and which belong to it.

    Of all assets together every class of leverage at every distance; of one asset each by itself.
    """
    changes, row = log.changes, outcomes.row
    leverage = class_of(changes.leverage)[row]
    distance = distance_of(changes.liquidation_price, changes.mark_price)[row]
    for asset, own in asset_groups(log):
        for number, class_name in enumerate((*CLASS_NAMES, POOLED)):
            for place, distance_name in enumerate((*DISTANCE_NAMES, POOLED)):
                if asset != POOLED and POOLED not in (class_name, distance_name):
                    continue
                is_class = (leverage == number) | (class_name == POOLED)
                is_place = (distance == place) | (distance_name == POOLED)
                names = {"asset": asset, "leverage_class": class_name, "distance": distance_name}
                yield names, own[row] & is_class & is_place


def _shares(by_size: MeasuredFigure, by_count: MeasuredFigure) -> dict[str, Any]:
    """Return the columns of a share by size and by count."""
    why = reason_of(by_size), reason_of(by_count)
    reason = why[0]
    if why[0] != why[1]:
        named = zip(("by size", "by count"), why, strict=True)
        reason = "; ".join(f"{name}: {one}" for name, one in named if one)
    return {
        "quantity_ratio": _or_none(by_size.value),
        "quantity_low_ratio": _or_none(by_size.low),
        "quantity_high_ratio": _or_none(by_size.high),
        "count_ratio": _or_none(by_count.value),
        "count_low_ratio": _or_none(by_count.low),
        "count_high_ratio": _or_none(by_count.high),
        "position_count": by_count.positions,
        "account_count": by_count.accounts,
        "reason": reason,
    }


def reason_of(found: MeasuredFigure) -> str | None:
    """Return why a figure or its interval is missing; None where neither is."""
    return None if found.evidence is Evidence.MEASURED else found.evidence.value


def _shipped(parameter: str, tier: int) -> float | None:
    """Return what turnover ships with for a parameter of a tier."""
    if parameter == "weight":
        return (_SHIPPED.unlevered_share, *_SHIPPED.weights)[tier]
    if parameter == "half_life":
        return (_SHIPPED.unlevered_half_life_days, *_SHIPPED.half_lives_days)[tier]
    return None


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _stored(name: str, log: MeasuredLog, run_id: str, rows: list[dict[str, Any]]) -> pa.Table:
    shared = {
        "as_of": log.midnight,
        "venue": VENUE,
        "sampled_account_ratio": log.sampled_account_ratio,
        "run_id": run_id,
    }
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return stored_rows(name, {**shared, **columns})
