"""Weights of leverage of an estimator, held against realised hours.

Belongs here: which hours and tiers are read. What price reached is taken as the shipped weights had
it, in proportion to the weight of each tier: running the estimator again as weights change moves
shares by far less than their intervals (``bench.tier_shares``). Does not belong here: the fit
(``transforms.calibration.tiers``), its rows (``calibration_rows``).
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.calibrate.fit_models import FIT_REASONS, FitHours
from jobs.calibrate.panels import FITTED_DAYS
from jobs.instants import to_instant
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import BlockDraws, time_blocks
from transforms.calibration.tiers import TierFit, TierObservations, fit_tiers
from transforms.series import FloatArray, IntArray
from transforms.skill.panel import Panel
from warehouse.models import set_window
from warehouse.queries import named_query

_SEED = 1
"""Of the bootstrap: a fit repeats to the last digit."""


@dataclass(frozen=True, slots=True, eq=False)
class TierShares:
    """Fitted weights of leverage beside the shipped ones.

    Parameters
    ----------
    leverages, shipped : ndarray of float64, shape (n_tiers,)
        Leverage of each tier with a weight above 0 [multiple], and that weight [ratio].
    fit : TierFit or None
        The fit; None where there is none.
    span_end : ndarray of int64, shape (n_used,)
        Ends of the hours used [microseconds].
    reason : str
        Why there is no fit; else empty.
    """

    leverages: FloatArray
    shipped: FloatArray
    fit: TierFit | None
    span_end: IntArray
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ReachedTiers:
    """What price reached in the tiers of an estimator.

    Parameters
    ----------
    leverages, shipped : ndarray of float64, shape (n_tiers,)
        Leverage of each tier [multiple], and its weight above 0 [ratio]; may be empty.
    reached : ndarray of float64, shape (n_hours, 2, n_tiers)
        What price reached in each tier [USD]; NaN: not known.
    """

    leverages: FloatArray
    shipped: FloatArray
    reached: FloatArray


def read_reached_tiers(
    connection: DuckDBPyConnection,
    panel: Panel,
    provider: str,
    params_hash: str,
    venues: tuple[str, ...],
) -> ReachedTiers | None:
    """Return what price reached in the hours of a panel; None for a model without leverage.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    panel : Panel
        Hours of an asset.
    provider, params_hash : str
        The estimator and its newest parameters.
    venues : tuple of str
        Venues whose liquidations were realised.
    """
    last = to_instant(int(panel.span_end[-1]))
    set_window(connection, [panel.asset], last - timedelta(days=FITTED_DAYS), last)
    try:
        reached = connection.execute(
            named_query("panel_tiers"),
            {"provider": provider, "params_hash": params_hash, "venues": list(venues)},
        ).to_arrow_table()
    finally:
        set_window(connection, None, None, None)
    if reached.num_rows == 0:
        return None
    leverages, shipped = _shipped_weights(connection, params_hash)
    return ReachedTiers(leverages, shipped, _by_tier(reached, panel.span_end, leverages))


def fit_shares(hours: FitHours, tiers: ReachedTiers) -> TierShares:
    """Return the weights under which what price reached is nearest to what was realised.

    There is no term of the move: what opens and is liquidated within a bar is in what was reached.

    Parameters
    ----------
    hours : FitHours
        Realised hours of an asset.
    tiers : ReachedTiers
        What price reached in them.
    """
    leverages, shipped, reached = tiers.leverages, tiers.shipped, tiers.reached
    if leverages.size == 0:
        reason = "the weights that its hours were made with are not on record"
        return TierShares(leverages, shipped, None, hours.span_end[:0], reason)
    is_used = np.isfinite(hours.realised).all(axis=1) & np.isfinite(reached).all(axis=(1, 2))
    used = hours.span_end[is_used]
    count = int(is_used.sum())
    observed = TierObservations(
        hours.realised[is_used], np.zeros((count, 2)), np.ones(count), np.ones(count)
    )
    known = reached[is_used]
    fit = fit_tiers(
        lambda weights: known * (weights / shipped),
        leverages,
        shipped,
        observed,
        has_move=False,
        block_draws=BlockDraws(time_blocks(used), np.random.default_rng(_SEED)),
    )
    if fit.status is not FitStatus.FITTED:
        return TierShares(leverages, shipped, None, used, FIT_REASONS[fit.status])
    return TierShares(leverages, shipped, fit, used, "")


def _shipped_weights(
    connection: DuckDBPyConnection, params_hash: str
) -> tuple[FloatArray, FloatArray]:
    """Return leverages whose weight is above 0, increasing, and these weights."""
    rows = connection.execute(
        "select regexp_extract(parameter, '^weights\\[(.*)x\\]$', 1)::double as leverage, "
        "value::double as weight from derived.estimator_parameter "
        "where params_hash = ? and parameter like 'weights[%' and value::double > 0.0 "
        "order by leverage",
        [params_hash],
    ).fetchall()
    pairs = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _by_tier(reached: pa.Table, span_end: IntArray, leverages: FloatArray) -> FloatArray:
    """Return what price reached, shape (n_hours, 2, n_tiers) [USD]; NaN where there is no row."""
    values = np.full((len(span_end), 2, len(leverages)), np.nan)
    ends, side = reached["span_end"].to_numpy(), reached["side"].to_numpy()
    usd = reached["reached_usd"].to_numpy(zero_copy_only=False)
    tiers = np.array(reached["tier"].to_pylist(), dtype=object)
    hour = np.minimum(np.searchsorted(span_end, ends), len(span_end) - 1)
    is_known = span_end[hour] == ends
    for column, leverage in enumerate(leverages):
        rows = is_known & (tiers == f"{leverage:g}x")
        values[hour[rows], side[rows], column] = usd[rows]
    return values
