"""Fits, scores, predictions and outlooks of one asset, from all that was read of it.

Belongs here: what is made of an asset's hours, in any process. Does not belong here: reading and
storing (``calibrate``), the figures themselves. Instants are int64 microseconds, UTC.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from jobs.calibrate.calibration_rows import NO_FIT, calibration_rows
from jobs.calibrate.daily_outlook import MidnightMap, outlook_rows
from jobs.calibrate.fit_models import (
    MOST_POOLED_HOURS,
    FitHours,
    FittedModel,
    fit_hours,
    fit_own,
    fit_pool,
)
from jobs.calibrate.forecast_hours import forecast_rows
from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.place_panel import PlacePanel
from jobs.calibrate.row_store import Replacement
from jobs.calibrate.score_models import score_asset
from jobs.calibrate.tier_shares import ReachedTiers, TierShares, fit_shares
from jobs.instants import DAY_MICROSECONDS, to_instant
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import SHORT_FIT_DAYS


@dataclass(frozen=True, slots=True, eq=False)
class AssetShard:
    """An asset: all that its fits, scores, predictions and outlooks read.

    Parameters
    ----------
    own : AssetPanel
        Its hours.
    structures : dict of str to str
        By model, the hash of what is not fitted.
    due : frozenset of str
        Models to fit.
    tiers : dict of str to ReachedTiers
        By estimator to fit, what price reached in each of its tiers.
    places : PlacePanel
        Where its liquidations came in the longest window that is scored.
    predicted_from : int
        Midnight from which hours are predicted [microseconds].
    midnights : list of MidnightMap
        Midnights to look ahead from.
    as_of : int
        The last hour [microseconds].
    run_id : str
        Written beside each row.
    """

    own: AssetPanel
    structures: dict[str, str]
    due: frozenset[str]
    tiers: dict[str, ReachedTiers]
    places: PlacePanel
    predicted_from: int
    midnights: list[MidnightMap]
    as_of: int
    run_id: str

    @property
    def label(self) -> str:
        """The asset."""
        return f"calibrating {self.own.panel.asset}"


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedAsset:
    """What came of an asset.

    Parameters
    ----------
    fits : list of FittedModel
        Its fits, and models without one.
    replacements : list of Replacement
        Rows of fits first, then of the rest.
    offered : dict of str to FitHours
        By ledger, its newest hours for the pool of its size.
    waiting : dict of str to FitHours
        By ledger that is to be fitted with others, all its hours.
    own : AssetPanel or None
        Its hours and feeds; None where nothing waits.
    """

    fits: list[FittedModel]
    replacements: list[Replacement]
    offered: dict[str, FitHours]
    waiting: dict[str, FitHours]
    own: AssetPanel | None


def calibrate_asset(shard: AssetShard, pool: ThreadPoolExecutor) -> CalibratedAsset:  # noqa: ARG001
    """Return the fits and the rows of an asset; ledgers of short histories wait for the pool.

    Reads nothing but the shard, so any process with these sources can run it.
    """
    own, as_of, run_id = shard.own, shard.as_of, shard.run_id
    fits: list[FittedModel] = []
    rows: list[Replacement] = []
    offered: dict[str, FitHours] = {}
    waiting: dict[str, FitHours] = {}
    for provider, structure in shard.structures.items():
        hours = fit_hours(own, provider)
        if hours is None:
            continue
        if provider in LEDGERS and hours.days > 0.0:
            offered[provider] = _newest_hours(hours)
        if provider not in shard.due:
            continue
        if provider in LEDGERS and hours.days < SHORT_FIT_DAYS:
            waiting[provider] = hours
            continue
        made = _own_fit(own, hours, provider, structure, as_of)
        tiers = shard.tiers.get(provider)
        shares = None if tiers is None or made.fit is None else fit_shares(hours, tiers)
        fits.append(made)
        rows.append(_fit_rows(made, own, as_of, run_id, shares))
    midnight = as_of // DAY_MICROSECONDS * DAY_MICROSECONDS
    rows.append(
        Replacement(
            "derived.estimator_skill",
            score_asset(own, shard.places, midnight, run_id),
            "asset = ? and as_of = ?",
            [own.panel.asset, to_instant(midnight)],
        )
    )
    rows.append(forecast_rows(own, shard.predicted_from, as_of, run_id))
    rows.append(outlook_rows(own, shard.midnights, run_id))
    return CalibratedAsset(fits, rows, offered, waiting, own if waiting else None)


def _own_fit(
    own: AssetPanel, hours: FitHours, provider: str, structure: str, as_of: int
) -> FittedModel:
    """Return the fit of a model to an asset's own hours, with what to know about it."""
    if not own.venues:
        reason = "no feed publishes its liquidations"
        return FittedModel(hours.asset, provider, None, None, reason)
    made = fit_own(hours, provider, structure, as_of)
    remarks = [made.reason] if made.reason else []
    if own.is_complete is False:
        remarks.append("fitted to a lower bound: a venue publishes only some liquidations")
    if own.other_scope_hours:
        remarks.append(f"{own.other_scope_hours} hours of other venues are left out")
    return replace(made, reason="; ".join(remarks))


def _newest_hours(hours: FitHours) -> FitHours:
    """Return the newest hours of an asset, for the pool of its size."""
    recent = slice(-MOST_POOLED_HOURS, None)
    return FitHours(
        hours.asset,
        hours.columns[recent].copy(),
        hours.realised[recent].copy(),
        hours.move[recent].copy(),
        hours.span_end[recent].copy(),
        hours.volume_usd,
    )


def _fit_rows(
    made: FittedModel,
    own: AssetPanel,
    as_of: int,
    run_id: str,
    shares: TierShares | None = None,
) -> Replacement:
    """Return a fit, or why there is none, in place of an earlier reason or of the same hour's."""
    return Replacement(
        "derived.calibration",
        calibration_rows(made, own, as_of, run_id, shares),
        "asset = ? and provider = ? and (status = ? or valid_from_at = ?)",
        [made.asset, made.provider, NO_FIT, to_instant(as_of)],
    )


@dataclass(frozen=True, slots=True, eq=False)
class PoolShard:
    """A ledger of an asset of a short history, and other assets of its size.

    Parameters
    ----------
    provider : str
        The ledger.
    own : AssetPanel
        The asset's hours and feeds.
    hours : FitHours
        Its hours for the ledger.
    others : sequence of FitHours
        Newest hours of assets of its size, perhaps its own among them.
    as_of : int
        The last hour [microseconds].
    run_id : str
        Written beside each row.
    """

    provider: str
    own: AssetPanel
    hours: FitHours
    others: Sequence[FitHours]
    as_of: int
    run_id: str

    @property
    def label(self) -> str:
        """The asset and the ledger."""
        return f"fitting {self.provider} of {self.hours.asset}"


def calibrate_pooled(shard: PoolShard, pool: ThreadPoolExecutor) -> CalibratedAsset:  # noqa: ARG001
    """Return the fit of a ledger with others of its size, or alone where there are none.

    Reads nothing but the shard, so any process with these sources can run it.
    """
    own, hours, provider = shard.own, shard.hours, shard.provider
    made = fit_pool(hours, shard.others, provider, shard.as_of) if own.venues else None
    if made is None or made.fit is None:
        made = _own_fit(own, hours, provider, LEDGERS[provider].structure_hash, shard.as_of)
    return CalibratedAsset([made], [_fit_rows(made, own, shard.as_of, shard.run_id)], {}, {}, None)
