"""Holding models against what happened: fits where they are due, skill of the last midnight.

Belongs here: which assets are fitted when, and storing what comes of it. Does not belong here: the
fits (``fit_models``), the scores (``score_models``). Instants are int64 microseconds, UTC.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from duckdb import DuckDBPyConnection

from jobs.calibrate.calibration_rows import NO_FIT, calibration_rows
from jobs.calibrate.daily_outlook import store_outlook
from jobs.calibrate.fit_models import (
    MOST_POOLED_ASSETS,
    MOST_POOLED_HOURS,
    FitHours,
    FittedModel,
    fit_hours,
    fit_own,
    fit_pool,
)
from jobs.calibrate.forecast_hours import store_forecasts
from jobs.calibrate.measure_crowding import measure_crowding
from jobs.calibrate.measure_positions import measure_positions
from jobs.calibrate.panels import AssetPanel, read_panel
from jobs.calibrate.place_panel import read_places
from jobs.calibrate.row_store import replace_rows
from jobs.calibrate.score_models import WINDOW_DAYS, score_asset
from jobs.calibrate.score_touches import score_touches
from jobs.calibrate.tier_shares import TierShares, read_tier_shares
from jobs.instants import DAY_MICROSECONDS, to_instant, to_microseconds
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import writer_run
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import SHORT_FIT_DAYS, size_of
from transforms.skill.panel import ScoreStatus

logger = logging.getLogger(__name__)

REFIT_DAYS = 30
"""Days after which a fit is made again."""


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """Counts of one calibration.

    Parameters
    ----------
    asset_count : int
        Assets with hours.
    fit_count, no_fit_count : int
        Fits made, and fits that could not be made.
    score_count : int
        Rows of skill with figures.
    row_count : int
        Rows written.
    """

    asset_count: int
    fit_count: int
    no_fit_count: int
    score_count: int
    row_count: int


@dataclass(slots=True)
class _Work:
    """What one calibration has to do and has done."""

    as_of: int
    run_id: str
    is_refitting: bool
    waiting: dict[tuple[str, str], tuple[AssetPanel, FitHours]] = field(default_factory=dict)
    pools: dict[tuple[str, str], list[FitHours]] = field(default_factory=dict)
    fit_count: int = 0
    no_fit_count: int = 0
    score_count: int = 0
    row_count: int = 0


def calibrate(
    settings: Settings,
    *,
    as_of: datetime,
    is_refitting: bool = False,
    progress: Progress = silent,
) -> CalibrationReport:
    """Fit what is due up to an hour, score models and odds of touch up to the last midnight.

    It also predicts the hours since the one before, and what is expected of the next day.

    Idempotent: a second call for the same hour replaces its rows. Maps made before the hour keep
    the fits they were made with.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to use, UTC.
    is_refitting : bool
        Fit every model again, also where its fit is younger than ``REFIT_DAYS``.
    progress : callable
        Called with the step, the asset and the share that is done.
    """
    with writer_run(settings, "calibrate", as_of) as (connection, run):
        work = _Work(to_microseconds(as_of), run.run_id, is_refitting)
        assets = [
            row[0]
            for row in connection.execute(
                "select distinct asset from meta.built_asset order by asset"
            ).fetchall()
        ]
        count = 0
        for number, asset in enumerate(assets):
            progress("calibrate", asset, number / len(assets))
            own = read_panel(connection, asset, as_of)
            if own is not None:
                count += 1
                _fit_asset(connection, own, work)
                _score(connection, own, work)
                work.row_count += store_forecasts(connection, own, work.as_of, work.run_id)
                work.row_count += store_outlook(connection, own, work.as_of, work.run_id)
        _fit_waiting(connection, work)
        work.row_count += score_touches(connection, as_of, run.run_id)
        work.row_count += measure_crowding(connection, as_of, run.run_id)
        work.row_count += measure_positions(connection, as_of, run.run_id)
        report = CalibrationReport(
            count, work.fit_count, work.no_fit_count, work.score_count, work.row_count
        )
        run.row_count = report.row_count
        run.detail = {"fit_count": report.fit_count, "no_fit_count": report.no_fit_count}
        logger.info("calibrated: %s", report)
        return report


def _fit_asset(connection: DuckDBPyConnection, own: AssetPanel, work: _Work) -> None:
    """Fit what is due for one asset; ledgers of short histories wait for the pool."""
    asset = own.panel.asset
    newest = _newest_fits(connection, asset)
    for provider, structure in _structures(connection, asset).items():
        hours = fit_hours(own, provider)
        if hours is None:
            continue
        if provider in LEDGERS and hours.days > 0.0:
            _offer(work, provider, hours)
        fitted_at = newest.get((provider, structure))
        is_due = fitted_at is None or work.as_of - fitted_at >= REFIT_DAYS * DAY_MICROSECONDS
        if not (is_due or work.is_refitting):
            continue
        if provider in LEDGERS and hours.days < SHORT_FIT_DAYS:
            work.waiting[asset, provider] = own, hours
        else:
            made = _own_fit(own, hours, provider, structure, work)
            shares = None
            if made.fit is not None and provider not in LEDGERS:
                shares = read_tier_shares(connection, hours, provider, structure, own.venues)
            _store_fit(connection, made, own, work, shares)


def _own_fit(
    own: AssetPanel, hours: FitHours, provider: str, structure: str, work: _Work
) -> FittedModel:
    """Return the fit of a model to an asset's own hours, with what to know about it."""
    if not own.venues:
        reason = "no feed publishes its liquidations"
        return FittedModel(hours.asset, provider, None, None, reason)
    made = fit_own(hours, provider, structure, work.as_of)
    remarks = [made.reason] if made.reason else []
    if own.is_complete is False:
        remarks.append("fitted to a lower bound: a venue publishes only some liquidations")
    if own.other_scope_hours:
        remarks.append(f"{own.other_scope_hours} hours of other venues are left out")
    return replace(made, reason="; ".join(remarks))


def _offer(work: _Work, provider: str, hours: FitHours) -> None:
    """Keep the newest hours of an asset for the pool of its size, of the longest histories."""
    recent = slice(-MOST_POOLED_HOURS, None)
    kept = FitHours(
        hours.asset,
        hours.columns[recent].copy(),
        hours.realised[recent].copy(),
        hours.move[recent].copy(),
        hours.span_end[recent].copy(),
        hours.volume_usd,
    )
    pool = work.pools.setdefault((provider, size_of(hours.volume_usd)), [])
    pool.append(kept)
    pool.sort(key=lambda one: -one.days)
    del pool[MOST_POOLED_ASSETS + 1 :]


def _fit_waiting(connection: DuckDBPyConnection, work: _Work) -> None:
    """Fit assets of short histories with others of their size, or alone where there are none."""
    for (_, provider), (own, hours) in sorted(work.waiting.items(), key=lambda item: item[0]):
        others = work.pools.get((provider, size_of(hours.volume_usd)), [])
        made = fit_pool(hours, others, provider, work.as_of) if own.venues else None
        if made is None or made.fit is None:
            structure = LEDGERS[provider].structure_hash
            made = _own_fit(own, hours, provider, structure, work)
        _store_fit(connection, made, own, work)


def _store_fit(
    connection: DuckDBPyConnection,
    made: FittedModel,
    own: AssetPanel,
    work: _Work,
    shares: TierShares | None = None,
) -> None:
    """Store a fit, or why there is none, in place of an earlier reason or of the same hour's."""
    rows = calibration_rows(made, own, work.as_of, work.run_id, shares)
    work.row_count += replace_rows(
        connection,
        "derived.calibration",
        rows,
        "asset = ? and provider = ? and (status = ? or valid_from_at = ?)",
        [made.asset, made.provider, NO_FIT, to_instant(work.as_of)],
    )
    if made.fit is None:
        work.no_fit_count += 1
    else:
        work.fit_count += 1


def _newest_fits(connection: DuckDBPyConnection, asset: str) -> Mapping[tuple[str, str], int]:
    """Return the instant of the newest fit of each model of an asset, by structure."""
    rows = connection.execute(
        "select provider, structure_hash, epoch_us(max(valid_from_at)) from derived.calibration "
        "where asset = ? and status = 'fitted' group by provider, structure_hash",
        [asset],
    ).fetchall()
    return {(provider, structure): at for provider, structure, at in rows}


def _structures(connection: DuckDBPyConnection, asset: str) -> dict[str, str]:
    """Return the hash of what is not fitted of each model of an asset: of its newest parameters."""
    rows = connection.execute(
        "select provider, arg_max(params_hash, as_of) from intermediate.int_prediction_hour "
        "where asset = ? group by provider order by provider",
        [asset],
    ).fetchall()
    return {
        provider: LEDGERS[provider].structure_hash if provider in LEDGERS else newest
        for provider, newest in rows
    }


def _score(connection: DuckDBPyConnection, own: AssetPanel, work: _Work) -> None:
    """Score an asset's models up to the last midnight, in place of an earlier score of it."""
    midnight = work.as_of // DAY_MICROSECONDS * DAY_MICROSECONDS
    places = read_places(connection, own, midnight - WINDOW_DAYS[-1] * DAY_MICROSECONDS, midnight)
    rows = score_asset(own, places, midnight, work.run_id)
    work.row_count += replace_rows(
        connection,
        "derived.estimator_skill",
        rows,
        "asset = ? and as_of = ?",
        [own.panel.asset, to_instant(midnight)],
    )
    scored = [status == ScoreStatus.SCORED.value for status in rows["status"].to_pylist()]
    work.score_count += sum(scored)
