"""Where an asset's liquidations came, by model and null: the columns of place of its skill.

Belongs here: windows, rules, words and columns. Does not belong here: reading (``place_panel``),
the scores (``transforms.skill.places``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jobs.build.hourly_maps import nullable
from jobs.calibrate.place_panel import PlacePanel, PlaceSpans
from transforms.path_only import PATH_ONLY
from transforms.skill.levels import FARTHEST, OLDEST
from transforms.skill.panel import ScoreStatus
from transforms.skill.places import CHANCE, PlaceScore, score_places
from transforms.skill.score_table import ScoringRules

CHANCE_NULL: Final = "chance"
"""Name of chance, which gives every level that price reached the same, in rows."""

PLACE_NULLS: Final = (CHANCE_NULL, FARTHEST, OLDEST)
"""Nulls of place that predict no amounts."""

MAP_NULLS: Final = (PATH_ONLY.provider, "path_ledger")
"""Nulls of amounts that have a map too."""

HOUR_RULES: Final = ScoringRules(least_hours=72, n_draws=300)
"""At least 72 hours and sides with liquidations on more than one level."""

DAY_RULES: Final = ScoringRules(least_hours=40, n_draws=300)
"""At least 40 days and sides of them, so three weeks."""

REASONS: Final[Mapping[ScoreStatus, str | None]] = {
    ScoreStatus.SCORED: None,
    ScoreStatus.NO_FEED: "no feed publishes its liquidations",
    ScoreStatus.NO_PRICE: "no feed gives prices of liquidations, or halves of hours with a path",
    ScoreStatus.ALL_ZERO: "nothing was liquidated on a level that price reached",
    ScoreStatus.TOO_FEW_SPANS: "too few spans with liquidations on more than one level",
    ScoreStatus.NO_PREDICTION: "the model has a map in fewer than nine tenths of the spans",
    ScoreStatus.NO_MAP: "model or null predicts amounts and has no map",
    ScoreStatus.NO_NULL: "the null has no map in these spans",
}
"""Why a row has no figure of place."""

_HOUR_FIGURES: Final = {
    "misplaced_removed_ratio": "misplaced_removed",
    "misplaced_removed_low_ratio": "misplaced_low",
    "misplaced_removed_high_ratio": "misplaced_high",
    "place_test_quantile": "place_quantile",
}
_DAY_FIGURES: Final = {
    "top_quarter_ratio": "top_share",
    "top_quarter_low_ratio": "top_low",
    "top_quarter_high_ratio": "top_high",
    "top_quarter_gain_ratio": "top_gain",
    "top_quarter_gain_low_ratio": "top_gain_low",
    "top_quarter_gain_high_ratio": "top_gain_high",
}
"""Columns by field of `PlaceScore`."""


@dataclass(frozen=True, slots=True)
class PlaceScores:
    """Scores of place of some spans.

    Parameters
    ----------
    scores : mapping of (str, str) to PlaceScore
        By model and null; empty without any.
    without : ScoreStatus
        Why there is none.
    """

    scores: Mapping[tuple[str, str], PlaceScore]
    without: ScoreStatus

    def find(self, model: str, null: str, mapless: set[str]) -> PlaceScore:
        """Return the score of a model against a null, or one that says why there is none."""
        if model in mapless or null in mapless:
            return PlaceScore(model, null, ScoreStatus.NO_MAP)
        if not self.scores:
            return PlaceScore(model, null, self.without)
        if (model, null) in self.scores:
            return self.scores[model, null]
        has_model = any(model == known for known, _ in self.scores)
        status = ScoreStatus.NO_NULL if has_model else ScoreStatus.NO_PREDICTION
        return PlaceScore(model, null, status)


@dataclass(frozen=True, slots=True)
class PlaceSkill:
    """Scores of place of a window.

    Parameters
    ----------
    cells : str
        What hours are split into: levels or halves.
    hours, days : PlaceScores
        Scores within hours and within days.
    """

    cells: str
    hours: PlaceScores
    days: PlaceScores

    @property
    def maps(self) -> list[str]:
        """Models that were scored by place, nulls left out."""
        scored = {model for model, _ in (*self.hours.scores, *self.days.scores)}
        return sorted(scored - {*PLACE_NULLS, *MAP_NULLS})

    def columns(self, pairs: Sequence[tuple[str, str]], mapless: set[str]) -> dict[str, Any]:
        """Return the columns of place for models and nulls.

        Parameters
        ----------
        pairs : sequence of (str, str)
            Model and null of each row, by their names in rows.
        mapless : set of str
            Models and nulls that predict amounts alone.
        """
        hours, days = (
            [spans.find(model, null, mapless) for model, null in pairs]
            for spans in (self.hours, self.days)
        )
        return {
            "place_cells": [
                self.cells if score.status is ScoreStatus.SCORED else None for score in hours
            ],
            **_described("place", hours, _HOUR_FIGURES),
            **_described("top_quarter", days, _DAY_FIGURES),
        }


def place_skill(panel: PlacePanel, origin: int, *, has_feed: bool) -> PlaceSkill:
    """Return the scores of place of the spans that end after an instant.

    Parameters
    ----------
    panel : PlacePanel
        Where liquidations came.
    origin : int
        Where the window begins [microseconds].
    has_feed : bool
        Whether any feed publishes liquidations of the asset.
    """
    nothing = ScoreStatus.NO_PRICE if has_feed else ScoreStatus.NO_FEED
    few = ScoreStatus.TOO_FEW_SPANS
    is_known = panel.has_prices or panel.hours is not None
    return PlaceSkill(
        panel.cells,
        PlaceScores(_scores(panel.hours, origin, HOUR_RULES), few if is_known else nothing),
        PlaceScores(_scores(panel.days, origin, DAY_RULES), few if panel.has_prices else nothing),
    )


def _scores(
    spans: PlaceSpans | None, origin: int, rules: ScoringRules
) -> dict[tuple[str, str], PlaceScore]:
    """Return scores by the names of models and nulls in rows."""
    places = None if spans is None else spans.since(origin)
    if places is None:
        return {}
    nulls = [*MAP_NULLS, FARTHEST, OLDEST]
    return {
        (score.model, CHANCE_NULL if score.null == CHANCE else score.null): score
        for score in score_places(places, nulls, rules)
    }


def _described(
    name: str, scores: Sequence[PlaceScore], figures: Mapping[str, str]
) -> dict[str, Any]:
    """Return status, reason, count, USD and figures under a name."""
    is_scored = [score.status is ScoreStatus.SCORED for score in scores]
    return {
        f"{name}_status": [score.status.value for score in scores],
        f"{name}_reason": [REASONS[score.status] for score in scores],
        f"{name}_span_count": [score.groups for score in scores],
        f"{name}_usd": [
            score.realised_usd if has else None
            for score, has in zip(scores, is_scored, strict=True)
        ],
        **{
            column: nullable(np.array([getattr(score, field) for score in scores], np.float64))
            for column, field in figures.items()
        },
    }
