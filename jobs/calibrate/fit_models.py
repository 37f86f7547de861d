"""Fits of every model to the realised hours of an asset, or of a pool of assets of one size.

Belongs here: which hours and parameters are fitted. Does not belong here: the fit itself
(``transforms.calibration``), its rows (``jobs.calibrate.calibration_rows``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from jobs.calibrate.panels import AssetPanel
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS
from transforms.calibration.features import adverse_move
from transforms.calibration.few_blocks import spread_rows
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import BlockDraws, PoissonFit, fit_poisson, time_blocks
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import SHORT_FIT_DAYS, LedgerFit, scale_fit, size_of
from transforms.series import FloatArray, IntArray

MOST_POOLED_ASSETS: Final = 12
"""Assets of a pool: more of one size change its weights little."""

MOST_POOLED_HOURS: Final = 120 * 24
"""Newest hours that an asset brings to a pool."""

_SEED: Final = 1
"""Of the bootstrap: a fit repeats to the last digit."""

FIT_REASONS: Final = {
    FitStatus.NOT_CONVERGED: "the fit did not converge",
    FitStatus.TOO_FEW_SPANS: "fewer than 168 hours with liquidations and a prediction",
    FitStatus.NOTHING_REALISED: "every published figure is zero, as from a feed that is down",
    FitStatus.NOTHING_PREDICTED: "price reached nothing that the model holds",
}


@dataclass(frozen=True, slots=True, eq=False)
class FitHours:
    """Hours of one asset that a model is fitted on.

    Parameters
    ----------
    asset : str
        The asset.
    columns : ndarray of float64, shape (n_hours, 2, m)
        Exposures of the model.
    realised, move : ndarray of float64, shape (n_hours, 2)
        Liquidations [USD], NaN where not usable, and moves [ln].
    span_end : ndarray of int64, shape (n_hours,)
        Ends of the hours [microseconds].
    volume_usd : float
        USD traded in a mean hour of them on the most traded contract.
    """

    asset: str
    columns: FloatArray
    realised: FloatArray
    move: FloatArray
    span_end: IntArray
    volume_usd: float

    @property
    def days(self) -> float:
        """Days from the first usable hour to the last."""
        used = self.span_end[np.isfinite(self.realised).all(axis=1)]
        return float(used[-1] - used[0]) / DAY_MICROSECONDS if used.size else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """What came of fitting one model for one asset.

    Parameters
    ----------
    asset, provider : str
        Whose maps, by which model.
    fit : LedgerFit or None
        Parameters in the asset's USD; None where there is none.
    poisson : PoissonFit or None
        Intervals and what the data say about each parameter, in units of the fit; None where no fit
        was tried.
    reason : str
        Why there is no fit, or what to know about it; may be empty.
    """

    asset: str
    provider: str
    fit: LedgerFit | None
    poisson: PoissonFit | None
    reason: str


def fit_hours(own: AssetPanel, provider: str) -> FitHours | None:
    """Return the hours of an asset for one model; None where it has no exposure to it."""
    panel = own.panel
    columns = panel.exposures.get(provider)
    if columns is None:
        return None
    realised = np.where(panel.has_figure[:, None], panel.realised_usd, np.nan)
    is_used = np.isfinite(np.concatenate((realised, columns.sum(axis=2)), axis=1)).all(axis=1)
    volume = own.largest_volume_usd[is_used & np.isfinite(own.largest_volume_usd)]
    return FitHours(
        asset=panel.asset,
        columns=columns,
        realised=np.where(is_used[:, None], realised, np.nan),
        move=adverse_move(panel.previous_close, panel.open, panel.high, panel.low, panel.close),
        span_end=panel.span_end,
        volume_usd=float(volume.mean()) if volume.size else 0.0,
    )


def fit_own(hours: FitHours, provider: str, structure_hash: str, as_of: int) -> FittedModel:
    """Return the fit of a model to one asset's hours.

    Parameters
    ----------
    hours : FitHours
        Its hours up to `as_of`.
    provider, structure_hash : str
        The model, and the hash of what is not fitted.
    as_of : int
        Instant from which the fit is valid [microseconds].
    """
    found = _poisson(hours.columns, hours.realised, hours.move, hours.span_end)
    if found.status is not FitStatus.FITTED:
        return FittedModel(hours.asset, provider, None, found, FIT_REASONS[found.status])
    fit = _record(found, [hours], hours.asset, provider, as_of)
    fit = replace(fit, structure_hash=structure_hash, params_hash="")
    return FittedModel(hours.asset, provider, fit, found, "")


def fit_pool(
    asset: FitHours, others: Sequence[FitHours], provider: str, as_of: int
) -> FittedModel | None:
    """Return the fit of a ledger to assets of one size, in the USD of one of them.

    Amounts are divided by the volume of each asset, as is what rows of volume hold, so that assets
    count alike.

    Parameters
    ----------
    asset : FitHours
        The asset that it is for, part of the pool where it has figures.
    others : sequence of FitHours
        Other assets; those of another size are left out.
    provider : str
        A key of ``LEDGERS``.
    as_of : int
        Instant from which the fit is valid [microseconds].

    Returns
    -------
    FittedModel or None
        None where no other asset of the size has more days than the asset itself.
    """
    size = size_of(asset.volume_usd)
    pool = [one for one in others if one.asset != asset.asset and size_of(one.volume_usd) == size]
    pool = sorted(pool, key=lambda one: -one.days)[:MOST_POOLED_ASSETS]
    if asset.volume_usd <= 0.0 or not pool or pool[0].days <= asset.days:
        return None
    members = [*pool, asset] if asset.days > 0.0 else pool
    deposit = LEDGERS[provider].deposit
    recent = slice(-MOST_POOLED_HOURS, None)
    found = _poisson(
        np.concatenate(
            [
                one.columns[recent] / (one.volume_usd if deposit == "volume" else 1.0)
                for one in members
            ]
        ),
        np.concatenate([one.realised[recent] / one.volume_usd for one in members]),
        np.concatenate([one.move[recent] for one in members]),
        np.concatenate([one.span_end[recent] for one in members]),
    )
    if found.status is not FitStatus.FITTED:
        return FittedModel(asset.asset, provider, None, found, FIT_REASONS[found.status])
    pooled = replace(_record(found, members, size, provider, as_of), volume_usd=1.0, params_hash="")
    names = ", ".join(sorted(one.asset for one in members))
    return FittedModel(
        asset.asset,
        provider,
        scale_fit(pooled, asset.volume_usd, deposit),
        found,
        f"less than {SHORT_FIT_DAYS} days of its own hours: fitted on {names}",
    )


def _poisson(
    columns: FloatArray, realised: FloatArray, move: FloatArray, span_end: IntArray
) -> PoissonFit:
    draws = BlockDraws(block=time_blocks(span_end), generator=np.random.default_rng(_SEED))
    return fit_poisson(columns, realised, move, block_draws=draws)


def _record(
    found: PoissonFit, members: Sequence[FitHours], source: str, provider: str, as_of: int
) -> LedgerFit:
    used = np.concatenate([one.span_end[np.isfinite(one.realised).all(axis=1)] for one in members])
    ledger = LEDGERS.get(provider)
    return LedgerFit(
        provider=provider,
        structure_hash=ledger.structure_hash if ledger else "",
        source=source,
        weights=found.weights,
        move_weight=found.move_weight,
        constant=found.constant,
        floor=found.floor,
        log_sd=np.where(found.is_identified, found.log_sd, np.inf),
        volume_usd=members[0].volume_usd,
        fitted_from=int(used.min()) - HOUR_MICROSECONDS,
        fitted_until=int(used.max()),
        valid_from=as_of,
        hour_count=found.hours,
        is_pooled=len(members) > 1 or source != members[0].asset,
        is_shipped=False,
        draws=spread_rows(found, np.random.default_rng(_SEED + 1)) if ledger else found.draws,
    )
