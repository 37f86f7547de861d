"""The two regressions of an asset's hours: given the path of the hour, and before it.

Belongs here: which hours are predicted by a fit to which, and rows of
``derived.forecast_prediction``. Does not belong here: the features
(``transforms.skill.forecast_features``), the fit (``transforms.skill.predictions``), capture, which
the mart takes for every model alike. Instants are int64 microseconds, UTC.
"""

import hashlib
from typing import Any, Final

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import nullable, repeat_sides
from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.row_store import Replacement
from jobs.calibrate.score_models import REASONS, with_forecasts
from jobs.instants import DAY_MICROSECONDS, to_instant
from transforms.series import BoolArray, FloatArray
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.predictions import Terms, predict_model
from warehouse.contracts import stored_rows

FORECASTS: Final = ("liquidation_forecast", "lagged_forecast")

CAUGHT_UP_DAYS: Final = 14
"""Most days that one calibration predicts: the intervals of the mart look back as far."""

LEAST_HOURS: Final = 168
"""Hours with published liquidations that a fit needs, as for ledgers."""


def forecast_rows(own: AssetPanel, start: int, as_of: int, run_id: str) -> Replacement:
    """Return the predicted hours of an asset since a midnight.

    Each day's hours are predicted by a fit that has seen nothing from its midnight on.

    Parameters
    ----------
    own : AssetPanel
        The asset's hours up to `as_of`.
    start : int
        Where the first day begins [microseconds], as `first_midnight` gives it.
    as_of : int
        The last hour [microseconds].
    run_id : str
        Written beside each row.
    """
    tables = [
        _rows(own, panel, model, midnight, run_id)
        for midnight in range(start, as_of, DAY_MICROSECONDS)
        for panel in [with_forecasts(own, midnight)]
        for model in FORECASTS
    ]
    return Replacement(
        "derived.forecast_prediction",
        pa.concat_tables(tables),
        "asset = ? and as_of > ? and as_of <= ?",
        [own.panel.asset, to_instant(start), to_instant(as_of)],
    )


def first_midnight(connection: DuckDBPyConnection, asset: str, as_of: int) -> int:
    """Return the midnight from which hours are predicted: yesterday's.

    Days that no calibration has predicted are caught up with.
    """
    midnight = as_of // DAY_MICROSECONDS * DAY_MICROSECONDS
    earliest = midnight - CAUGHT_UP_DAYS * DAY_MICROSECONDS
    (newest,) = connection.execute(
        "select epoch_us(max(as_of)) from derived.forecast_prediction "
        "where asset = ? and as_of <= ?",
        [asset, to_instant(as_of)],
    ).fetchall()[0]
    if newest is None:
        return earliest
    next_one = int(newest) // DAY_MICROSECONDS * DAY_MICROSECONDS
    return max(min(next_one, midnight - DAY_MICROSECONDS), earliest)


def _rows(own: AssetPanel, panel: Panel, model: str, midnight: int, run_id: str) -> pa.Table:
    """Return the rows of one regression for the day that begins at a midnight."""
    is_training = panel.span_end <= midnight
    predicted, reason = _predict(own, panel, model, is_training)
    used = panel.span_end[is_training & panel.has_figure]
    digest = hashlib.sha256(model.encode())
    if not reason:
        digest.update(predicted[is_training].tobytes())
    hours = np.flatnonzero(~is_training & (panel.span_end <= midnight + DAY_MICROSECONDS))
    usd = predicted[hours].ravel()
    unknown = reason or "a figure that the regression reads is missing"
    fitted: dict[str, Any] = {
        "fitted_from_at": None if reason else int(used[0]),
        "fitted_until_at": None if reason else int(used[-1]),
    }
    return stored_rows(
        "derived.forecast_prediction",
        {
            "asset": panel.asset,
            "as_of": np.repeat(panel.span_end[hours], 2),
            "provider": [model] * len(usd),
            "side": repeat_sides(len(hours)),
            "predicted_usd": nullable(usd),
            "reason": [None if np.isfinite(one) else unknown for one in usd],
            **fitted,
            "params_hash": digest.hexdigest(),
            "run_id": run_id,
        },
    )


def _predict(
    own: AssetPanel, panel: Panel, model: str, is_training: BoolArray
) -> tuple[FloatArray, str]:
    """Return what a regression predicts before capture, (n_hours, 2), and why it does not."""
    nothing = np.full((len(panel), 2), np.nan)
    if not own.venues:
        return nothing, str(REASONS[ScoreStatus.NO_FEED])
    if model not in panel.features:
        return nothing, "the ledgers that it reads have no fit"
    if np.count_nonzero(is_training & panel.has_figure) < LEAST_HOURS:
        return nothing, f"fewer than {LEAST_HOURS} hours with published liquidations before the day"
    found = predict_model(model, [panel], [is_training], Terms(capture_hours=None))
    if found.status is not ScoreStatus.SCORED:
        return nothing, str(REASONS[found.status])
    return found.usd[0], ""
