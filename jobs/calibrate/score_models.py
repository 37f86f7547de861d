"""Skill of every model on one asset: fitted before a window of days, scored in it.

Belongs here: which windows, models and nulls, and rows of ``derived.estimator_skill``. Does not
belong here: the scores (``transforms.skill``).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa

from jobs.calibrate.panels import AssetPanel
from jobs.calibrate.place_panel import PlacePanel
from jobs.calibrate.score_places import MAP_NULLS, PLACE_NULLS, PlaceSkill, place_skill
from jobs.instants import DAY_MICROSECONDS
from transforms.ledger import LEDGERS
from transforms.skill.evaluate import Protocol, evaluate
from transforms.skill.forecast_features import forecast_features, lagged_features
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.score_table import Score, ScoringRules
from warehouse.contracts import stored_rows

WINDOW_DAYS: Final = (7, 30, 90)
"""Days that are scored, back from a midnight; the last is the longest."""

NULLS: Final = ("activity_glm", "extension_glm", "distance_profile", "path_only", "path_ledger")
"""What every model is held against, beside the mean of the hours before the window."""

TRAINING_MEAN: Final = "training_mean"
"""Name of that mean as a null."""

_MAPLESS: Final = {
    TRAINING_MEAN,
    "activity_glm",
    "extension_glm",
    "distance_profile",
    "liquidation_forecast",
    "lagged_forecast",
}
"""Models and nulls that predict amounts and have no map."""

RULES: Final = ScoringRules(least_hours=72.0, accepts_lower_bound=True, n_draws=300)
"""Three days of hours are the least; lower bounds are scored and say so."""

REASONS: Final[Mapping[ScoreStatus, str | None]] = {
    ScoreStatus.SCORED: None,
    ScoreStatus.NO_FEED: "no feed publishes its liquidations",
    ScoreStatus.ALL_ZERO: "every published figure is zero, as from a feed that is down",
    ScoreStatus.THROTTLED: "every published figure is a lower bound",
    ScoreStatus.TOO_FEW_SPANS: "too few hours with published liquidations, in the window or before",
    ScoreStatus.NO_PREDICTION: "the model predicts nothing",
    ScoreStatus.NOT_CONVERGED: "the fit did not converge",
    ScoreStatus.NO_NULL: "the null has no prediction",
}

_FIGURES: Final = {
    "realised_usd": "realised_usd",
    "predicted_usd": "predicted_usd",
    "predicted_ratio": "ratio",
    "deviance_removed_ratio": "d2",
    "deviance_removed_low_ratio": "d2_low",
    "deviance_removed_high_ratio": "d2_high",
    "gamma_deviance_removed_ratio": "gamma_deviance_removed",
    "gain_nats_per_hour": "gain_per_hour",
    "gain_low_nats_per_hour": "gain_low",
    "gain_high_nats_per_hour": "gain_high",
    "calibration_slope": "calibration_slope",
    "number_test_quantile": "number_quantile",
    "t_test_p_value": "t_p_value",
    "w_test_p_value": "w_p_value",
    "within_factor_7d_ratio": "short_window_share",
}
"""Columns by field of `Score`."""


def score_asset(own: AssetPanel, places: PlacePanel, as_of: int, run_id: str) -> pa.Table:
    """Return the rows of an asset's skill over the windows that end at an instant.

    Parameters
    ----------
    own : AssetPanel
        Its hours.
    places : PlacePanel
        Where its liquidations came in the longest window.
    as_of : int
        Midnight at which the windows end [microseconds].
    run_id : str
        Written beside each row.
    """
    panel = with_forecasts(own)
    nulls = [name for name in NULLS if name not in LEDGERS or name in panel.exposures]
    models = sorted({*panel.exposures, *panel.features} - {"path_only"})
    tables = []
    for days in WINDOW_DAYS:
        origin = as_of - days * DAY_MICROSECONDS
        scores = evaluate(panel, origin, origin, as_of, models, nulls, Protocol(rules=RULES))
        kept = [score for score in scores if score.model in models]
        placed = place_skill(places, origin, has_feed=bool(own.venues))
        kept += _place_only(models, placed, own.panel.asset)
        pairs = [(score.model, score.null or TRAINING_MEAN) for score in kept]
        if kept:
            rows = _rows(kept, own, as_of, days, run_id) | placed.columns(pairs, _MAPLESS)
            tables.append(stored_rows("derived.estimator_skill", rows))
    return pa.concat_tables(tables)


def with_forecasts(own: AssetPanel, until: int | None = None) -> Panel:
    """Return the panel with the features of the forecasts: given the path, and before the hour.

    Parameters
    ----------
    own : AssetPanel
        Hours of an asset.
    until : int, optional
        Last hour from which the least amounts of ledgers are taken [microseconds].
    """
    panel = own.panel
    before = slice(None) if until is None else panel.span_end <= until
    features = {"lagged_forecast": lagged_features(panel)}
    path_usd, volume_usd = (own.map_usd.get(name) for name in ("path_ledger", "volume_ledger"))
    if (
        path_usd is not None
        and volume_usd is not None
        and np.isfinite(path_usd[before]).any()
        and np.isfinite(volume_usd[before]).any()
    ):
        # Floored: what price has not reached has no logarithm.
        floors = [
            max(float(np.nanmean(one[before])) * 1e-3, 1e-9) for one in (path_usd, volume_usd)
        ]
        features["liquidation_forecast"] = forecast_features(
            panel, np.maximum(path_usd, floors[0]), np.maximum(volume_usd, floors[1])
        )
    return replace(panel, features=features)


def _place_only(models: list[str], placed: PlaceSkill, asset: str) -> list[Score]:
    """Return rows without figures of amounts: nulls of place, and maps from outside."""
    outside = [model for model in placed.maps if model not in models]
    nulls = [(model, null, ScoreStatus.NO_NULL) for model in models for null in PLACE_NULLS]
    maps = [
        (model, null, ScoreStatus.NO_PREDICTION)
        for model in outside
        for null in (*PLACE_NULLS, *MAP_NULLS)
    ]
    return [Score(model, null, (asset,), status) for model, null, status in (*nulls, *maps)]


def _rows(
    scores: list[Score], own: AssetPanel, as_of: int, days: int, run_id: str
) -> dict[str, Any]:
    """Return the columns of amounts."""
    count = len(scores)
    is_scored = [score.status is ScoreStatus.SCORED for score in scores]
    figures: dict[str, Any] = {
        column: pa.array([getattr(score, name) for score in scores], pa.float64(), from_pandas=True)
        for column, name in _FIGURES.items()
    }
    has_fit = [score.fit_hours > 0.0 for score in scores]
    return {
        "asset": own.panel.asset,
        "as_of": as_of,
        "provider": [score.model for score in scores],
        "null_model": [score.null or TRAINING_MEAN for score in scores],
        "window_days": days,
        "status": [score.status.value for score in scores],
        "reason": [
            "a null of place predicts no amounts"
            if score.null in PLACE_NULLS
            else REASONS[score.status]
            for score in scores
        ],
        "realised_venues": [list(own.venues)] * count,
        "realised_feeds": [list(own.feeds)] * count,
        "is_lower_bound": own.is_complete is False,
        "hour_count": [
            round(score.hours) if scored else 0
            for score, scored in zip(scores, is_scored, strict=True)
        ],
        **figures,
        "fitted_from_at": [
            score.fit_from if has else None for score, has in zip(scores, has_fit, strict=True)
        ],
        "fitted_until_at": [
            score.fit_until if has else None for score, has in zip(scores, has_fit, strict=True)
        ],
        "fitted_hour_count": [round(score.fit_hours) for score in scores],
        "is_short_fit": [score.is_short_fit for score in scores],
        "run_id": run_id,
    }
