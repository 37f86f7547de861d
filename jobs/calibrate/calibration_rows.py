"""Rows of ``derived.calibration``: the parameters of a fit, or why there is none."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from jobs.calibrate.fit_models import FittedModel
from jobs.calibrate.panels import AssetPanel
from transforms.calibration.fit_status import ParameterStatus
from transforms.ledger import LEDGERS
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


def calibration_rows(made: FittedModel, own: AssetPanel, valid_from: int, run_id: str) -> pa.Table:
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
    """
    shared = {
        "asset": made.asset,
        "provider": made.provider,
        "valid_from_at": valid_from,
        "is_realised_complete": own.is_complete,
        "run_id": run_id,
    }
    values = _without_fit(made) if made.fit is None else _parameters(made)
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
        "low": _nullable(np.append(low, np.nan)),
        "high": _nullable(np.append(high, np.nan)),
        "log_sd": _nullable(np.append(np.where(is_known, found.log_sd, np.nan), np.nan)),
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


def _nullable(values: Any) -> pa.Array:  # noqa: ANN401  (array of any float type)
    """Return values with NULL for NaN."""
    return pa.array(values, from_pandas=True)
