"""Holding models against what happened: fits where they are due, skill of the last midnight.

Belongs here: which assets are fitted when, reading them, and storing what comes of it. Does not
belong here: what is made of an asset (``asset_calibration``). Instants are int64 microseconds, UTC.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from jobs.calibrate.asset_calibration import (
    AssetShard,
    CalibratedAsset,
    PoolShard,
    calibrate_asset,
    calibrate_pooled,
)
from jobs.calibrate.daily_outlook import read_midnights
from jobs.calibrate.fit_models import MOST_POOLED_ASSETS, FitHours
from jobs.calibrate.forecast_hours import first_midnight
from jobs.calibrate.measure_crowding import measure_crowding
from jobs.calibrate.measure_positions import measure_positions
from jobs.calibrate.panels import AssetPanel, read_panel
from jobs.calibrate.place_panel import read_places
from jobs.calibrate.row_store import replace_rows
from jobs.calibrate.score_models import WINDOW_DAYS
from jobs.calibrate.score_touches import score_touches
from jobs.calibrate.tier_shares import ReachedTiers, read_reached_tiers
from jobs.engines.engine_choice import open_engine
from jobs.engines.shard_engine import LostShard
from jobs.errors import ShardsLost
from jobs.instants import DAY_MICROSECONDS, to_instant, to_microseconds
from jobs.one_cause import by_cause, listed
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import writer_run
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import size_of
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
    left_out : dict of str to str
        Why assets, or fits of them, were left out, by asset; the next calibration does them.
    """

    asset_count: int
    fit_count: int
    no_fit_count: int
    score_count: int
    row_count: int
    left_out: dict[str, str] = field(default_factory=dict)


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
    left_out: dict[str, str] = field(default_factory=dict)


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

    Raises
    ------
    EngineUnavailable
        The engine is gone; what was stored by then stays.
    ShardsLost
        Every asset was left out.
    """
    with (
        writer_run(settings, "calibrate", as_of) as (connection, run),
        open_engine(settings.engine) as engine,
    ):
        work = _Work(to_microseconds(as_of), run.run_id, is_refitting)
        assets = [
            row[0]
            for row in connection.execute(
                "select distinct asset from meta.built_asset order by asset"
            ).fetchall()
        ]
        shards = _read_assets(connection, assets, work, progress)
        count = 0
        for outcome in engine.stream(calibrate_asset, shards):
            count += _store(connection, outcome, work)
        for pooled in engine.stream(calibrate_pooled, _pools(work)):
            _store(connection, pooled, work)
        for names, reason in by_cause(work.left_out.items()):
            logger.error("left out until the next calibration: %s (%s)", listed(names), reason)
        if work.left_out and not count:
            raise ShardsLost.of_all("no asset could be calibrated", work.left_out, "calibration")
        work.row_count += score_touches(connection, as_of, run.run_id)
        work.row_count += measure_crowding(connection, as_of, run.run_id)
        work.row_count += measure_positions(connection, as_of, run.run_id)
        report = CalibrationReport(
            count,
            work.fit_count,
            work.no_fit_count,
            work.score_count,
            work.row_count,
            work.left_out,
        )
        run.row_count = report.row_count
        run.detail = {
            "fit_count": report.fit_count,
            "no_fit_count": report.no_fit_count,
            "left_out": report.left_out,
        }
        logger.info("calibrated: %s", report)
        return report


def _read_assets(
    connection: DuckDBPyConnection, assets: Sequence[str], work: _Work, progress: Progress
) -> Iterator[AssetShard]:
    """Yield the assets that have hours, with what is due of each."""
    midnight = work.as_of // DAY_MICROSECONDS * DAY_MICROSECONDS
    scored_from = midnight - WINDOW_DAYS[-1] * DAY_MICROSECONDS
    for number, asset in enumerate(assets):
        progress("calibrate", asset, number / len(assets))
        own = read_panel(connection, asset, to_instant(work.as_of))
        if own is None:
            continue
        structures = _structures(connection, asset)
        due = _due(connection, asset, structures, work)
        yield AssetShard(
            own=own,
            structures=structures,
            due=due,
            tiers=_read_tiers(connection, own, structures, due),
            places=read_places(connection, own, scored_from, midnight),
            predicted_from=first_midnight(connection, asset, work.as_of),
            midnights=read_midnights(connection, asset, work.as_of),
            as_of=work.as_of,
            run_id=work.run_id,
        )


def _due(
    connection: DuckDBPyConnection, asset: str, structures: Mapping[str, str], work: _Work
) -> frozenset[str]:
    """Return the models whose newest fit is too old, or all where they are fitted again."""
    if work.is_refitting:
        return frozenset(structures)
    newest = _newest_fits(connection, asset)
    oldest = work.as_of - REFIT_DAYS * DAY_MICROSECONDS
    return frozenset(
        name for name, structure in structures.items() if newest.get((name, structure), 0) <= oldest
    )


def _read_tiers(
    connection: DuckDBPyConnection,
    own: AssetPanel,
    structures: Mapping[str, str],
    due: frozenset[str],
) -> dict[str, ReachedTiers]:
    """Return what price reached in the tiers of the estimators that are fitted."""
    tiers = {
        name: read_reached_tiers(connection, own.panel, name, structures[name], own.venues)
        for name in sorted(due - LEDGERS.keys())
        if own.venues and name in own.panel.exposures
    }
    return {name: found for name, found in tiers.items() if found is not None}


def _store(
    connection: DuckDBPyConnection,
    outcome: CalibratedAsset | LostShard[AssetShard] | LostShard[PoolShard],
    work: _Work,
) -> int:
    """Store what came of an asset and keep what waits for others; return 0 where it is lost."""
    if isinstance(outcome, LostShard):
        work.left_out[outcome.shard.own.panel.asset] = str(outcome)
        return 0
    for replacement in outcome.replacements:
        work.row_count += replace_rows(connection, replacement)
        if replacement.name == "derived.estimator_skill":
            scored = pc.equal(replacement.rows["status"], ScoreStatus.SCORED.value)
            work.score_count += pc.sum(scored).as_py() or 0
    fitted = [made.fit is not None for made in outcome.fits]
    work.fit_count += fitted.count(True)
    work.no_fit_count += fitted.count(False)
    for provider, hours in outcome.offered.items():
        pool = work.pools.setdefault((provider, size_of(hours.volume_usd)), [])
        pool.append(hours)
        pool.sort(key=lambda one: -one.days)
        del pool[MOST_POOLED_ASSETS + 1 :]
    if outcome.own is not None:
        for provider, hours in outcome.waiting.items():
            work.waiting[hours.asset, provider] = outcome.own, hours
    return 1


def _pools(work: _Work) -> Iterator[PoolShard]:
    """Yield the ledgers of short histories, each with other assets of its size."""
    for (_, provider), (own, hours) in sorted(work.waiting.items(), key=lambda item: item[0]):
        others = work.pools.get((provider, size_of(hours.volume_usd)), [])
        yield PoolShard(provider, own, hours, others, work.as_of, work.run_id)


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
