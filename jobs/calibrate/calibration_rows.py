"""Rows of ``derived.calibration``: the parameters of a fit, or why there is none."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from jobs.build.hourly_maps import nullable
from jobs.calibrate.fit_models import FittedModel
from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.tier_shares import TierShares
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS
from transforms.calibration.fit_status import ParameterStatus
from transforms.calibration.tiers import GROUP_BOUNDS
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import SHORT_FIT_DAYS
from transforms.series import BoolArray, FloatArray
from warehouse.contracts import stored_rows

FITTED: Final = "fitted"
NO_FIT: Final = "no_fit"

_PARAMETER_REASONS: Final[Mapping[ParameterStatus, str | None]] = {
    ParameterStatus.IDENTIFIED: None,
    ParameterStatus.WIDE: "its interval is wider than a factor of 2.3 either way",
    ParameterStatus.AT_BOUND: "the hours fit best with 0: its value is mostly that of the prior",
    ParameterStatus.NOT_EXPOSED: "price hardly ever reached it: it is the prior's",
    ParameterStatus.FEW_BLOCKS: "most of the evidence is from a few days",
    ParameterStatus.NOT_DRAWN: "its spread was not drawn",
    ParameterStatus.LEFT_OUT: "not in the model",
}


_NOT_RUN_AGAIN: Final = (
    "the estimator was run with the shipped weights only, which on recorded hours moved shares by "
    "less than a fifth of half their interval"
)
_KAPPA_REASON: Final = (
    "realised over reached with these weights; hours know only its product with them, so that "
    "without measured positions it is not identified"
)


def parameter_names(provider: str, n_columns: int) -> list[str]:
    """Return the names of a model's weights, in order."""
    ledger = LEDGERS.get(provider)
    if ledger is None:
        return ["weight"] if n_columns == 1 else [f"weight_{i + 1}" for i in range(n_columns)]
    return [
        f"weight_{100.0 * distance:.3g}pct_{half_life:g}d"
        for distance in ledger.distances
        for half_life in ledger.half_lives_days
    ]


def calibration_rows(
    made: FittedModel,
    own: AssetPanel,
    valid_from: int,
    run_id: str,
    shares: TierShares | None = None,
) -> pa.Table:
    """Return the rows of one model and asset.

    Parameters
    ----------
    made : FittedModel
        The fit, or why there is none.
    own : AssetPanel
        The asset's hours and feeds.
    valid_from : int
        Instant of the fit [microseconds].
    run_id : str
        Written beside each row.
    shares : TierShares, optional
        Its weights of leverage, for rows after those of the fit.
    """
    parts = [_without_fit(made) if made.fit is None else _parameters(made)]
    if made.fit is not None and shares is not None:
        first = len(parts[0]["parameter"])
        parts.append(
            _without_shares(made, shares, first)
            if shares.fit is None
            else _shares(made, shares, first)
        )
    return pa.concat_tables([_stored(made, own, valid_from, run_id, part) for part in parts])


def _stored(
    made: FittedModel, own: AssetPanel, valid_from: int, run_id: str, values: dict[str, Any]
) -> pa.Table:
    shared = {
        "asset": made.asset,
        "provider": made.provider,
        "valid_from_at": valid_from,
        "is_realised_complete": own.is_complete,
        "run_id": run_id,
    }
    count = len(values["parameter"])
    return stored_rows(
        "derived.calibration",
        {
            **shared,
            "realised_feeds": [list(own.feeds)] * count,
            "realised_venues": [list(own.venues)] * count,
            **values,
        },
    )


def _without_fit(made: FittedModel) -> dict[str, Any]:
    return {
        "parameter": ["fit"],
        "parameter_index": 0,
        "value": None,
        "low": None,
        "high": None,
        "log_sd": None,
        "is_identified": None,
        "unit": "usd",
        "params_hash": None,
        "structure_hash": None,
        "fitted_on": made.asset,
        "fitted_from_at": None,
        "fitted_until_at": None,
        "hour_count": 0 if made.poisson is None else made.poisson.hours,
        "volume_usd": None,
        "is_short_fit": False,
        "is_pooled": False,
        "status": NO_FIT,
        "reason": made.reason,
        "draws": None,
    }


def _parameters(made: FittedModel) -> dict[str, Any]:
    fit, found = made.fit, made.poisson
    if fit is None or found is None:
        raise ValueError("a fitted model has a fit")
    n_rows = len(fit.weights)
    value = np.array([*fit.weights, fit.move_weight, fit.constant, fit.floor])
    unscaled = np.array([*found.weights, found.move_weight, found.constant])
    # A fit of a pool is in the asset's USD, its intervals are those of the pool.
    scale = np.divide(value[:-1], unscaled, where=unscaled > 0.0, out=np.ones(n_rows + 2))
    is_known = np.isfinite(found.low) & np.isfinite(found.high) & found.is_identified
    low = np.where(is_known, found.low * scale, np.nan)
    high = np.where(is_known, found.high * scale, np.nan)
    reasons = [_PARAMETER_REASONS[one] for one in found.parameter_status]
    return {
        "parameter": [*parameter_names(made.provider, n_rows), "move", "constant", "floor"],
        "parameter_index": list(range(n_rows + 3)),
        "value": value,
        "low": nullable(np.append(low, np.nan)),
        "high": nullable(np.append(high, np.nan)),
        "log_sd": nullable(np.append(np.where(is_known, found.log_sd, np.nan), np.nan)),
        "is_identified": [*found.is_identified.tolist(), None],
        "unit": [*["usd per exposure"] * n_rows, "usd per squared ln", "usd per hour", "usd"],
        "params_hash": fit.params_hash,
        "structure_hash": fit.structure_hash,
        "fitted_on": fit.source,
        "fitted_from_at": fit.fitted_from,
        "fitted_until_at": fit.fitted_until,
        "hour_count": fit.hour_count,
        "volume_usd": fit.volume_usd,
        "is_short_fit": fit.is_short_fit,
        "is_pooled": fit.is_pooled,
        "status": FITTED,
        "reason": [one or made.reason or None for one in [*reasons, None]],
        "draws": [*fit.draws.T.tolist(), None] if len(fit.draws) else None,
    }


def share_name(leverages: FloatArray) -> str:
    """Return the name of the weight of tiers that share one factor, from their leverages."""
    least, most = leverages[0], leverages[-1]
    if most <= GROUP_BOUNDS[0]:
        return f"share up to {most:g}x"
    if least > GROUP_BOUNDS[-1]:
        return f"share {least:g}x and above"
    return f"share {least:g}x" if least == most else f"share {least:g}x-{most:g}x"


def _shares(made: FittedModel, shares: TierShares, first_index: int) -> dict[str, Any]:
    """Return a row for each group of tiers, and one for kappa."""
    fit = shares.fit
    if fit is None:
        raise ValueError("fitted shares have a fit")
    groups = [fit.group == one for one in range(int(fit.group[-1]) + 1)]
    names = [share_name(shares.leverages[group]) for group in groups]
    reasons = [_share_reason(shares, group, len(groups)) for group in groups]
    is_identified = np.array([reason is None for reason in reasons])
    # Tiers of a group share one factor, so bounds of their sum are sums of their bounds.
    low, high, value = (
        np.array([one[group].sum() for group in groups]) for one in (fit.low, fit.high, fit.weights)
    )
    log_sd = np.array([fit.log_sd[group][0] for group in groups])
    kept = [f"maps keep the shipped {shares.shipped[group].sum():.3g}" for group in groups]
    return {
        **_hours_of_shares(made, shares),
        "parameter": [*names, "kappa"],
        "parameter_index": list(range(first_index, first_index + len(names) + 1)),
        "value": [*value.tolist(), fit.kappa],
        **{
            name: nullable(np.append(np.where(is_identified, one, np.nan), np.nan))
            for name, one in (("low", low), ("high", high), ("log_sd", log_sd))
        },
        "is_identified": [*is_identified.tolist(), fit.is_kappa_identified],
        "unit": "ratio",
        "status": FITTED,
        "reason": [
            *(
                "; ".join(filter(None, (*pair, _NOT_RUN_AGAIN, made.reason)))
                for pair in zip(reasons, kept, strict=True)
            ),
            "; ".join(filter(None, (_KAPPA_REASON, made.reason))),
        ],
    }


def _share_reason(shares: TierShares, group: BoolArray, n_groups: int) -> str | None:
    """Return why the weight of a group is not identified; None where it is."""
    fit, first = shares.fit, int(np.argmax(group))
    if fit is None or shares.leverages[first] <= GROUP_BOUNDS[0]:
        return "price seldom reaches what it liquidates: never fitted, it is the shipped weight"
    if n_groups - int(shares.leverages[0] <= GROUP_BOUNDS[0]) == 1:
        return "no other weight above 5x to tell it from: it is the shipped weight"
    if fit.is_identified[first]:
        return None
    return _PARAMETER_REASONS[fit.parameter_status[first]] or "it is not identified"


def _without_shares(made: FittedModel, shares: TierShares, first_index: int) -> dict[str, Any]:
    return {
        **_without_fit(made),
        **_hours_of_shares(made, shares),
        "parameter": ["share"],
        "parameter_index": first_index,
        "unit": "ratio",
        "status": NO_FIT,
        "reason": f"no weights of leverage: {shares.reason}",
    }


def _hours_of_shares(made: FittedModel, shares: TierShares) -> dict[str, Any]:
    """Return the columns that say what weights were fitted on; no map uses them: no hash."""
    used = shares.span_end
    first = int(used[0]) - HOUR_MICROSECONDS if used.size else None
    return {
        "params_hash": None,
        "structure_hash": None if made.fit is None else made.fit.structure_hash,
        "fitted_on": made.asset,
        "fitted_from_at": first,
        "fitted_until_at": int(used[-1]) if used.size else None,
        "hour_count": int(used.size),
        "volume_usd": None if made.fit is None else made.fit.volume_usd,
        "is_short_fit": first is not None and used[-1] - first < SHORT_FIT_DAYS * DAY_MICROSECONDS,
        "is_pooled": False,
        "draws": None,
    }
