"""The protocol: fit before an instant, score after it, once or window after window.

Belongs here: which spans are fitted and which are scored. Does not belong here: how a model is
fitted (``predictions``), the figures (``score_table``).

Rolling origin (Tashman 2000, International Journal of Forecasting 16, 437): the fit reads every
span up to the origin, at least 90 days, and the next 30 days are scored; then the origin moves on
by 30 days. Every window is kept, and the windows together are scored once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from transforms.errors import InvalidParameters
from transforms.series import DAY_MICROSECONDS, MICROSECONDS, BoolArray
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.predictions import Prediction, Terms, predict_model
from transforms.skill.score_table import TRAINING_MEAN, Score, ScoringRules, score_predictions

LEAST_FIT_DAYS: Final = 90.0
"""Time with figures below which a fit is flagged as short [days]."""

TEST_DAYS: Final = 30.0
"""Length of a window of the rolling origin [days]."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How models are compared.

    Parameters
    ----------
    terms : Terms
        What every model and null is given.
    rules : ScoringRules
        What is scored and how intervals are drawn.
    fit_from : int or None
        Spans that end at it or before are not fitted [microseconds, UTC]; None for no bound. With
        an instant after the test, a model is fitted after what it is tested on.

    Examples
    --------
    >>> Protocol().terms.capture_hours
    168
    """

    terms: Terms = field(default_factory=Terms)
    rules: ScoringRules = field(default_factory=ScoringRules)
    fit_from: int | None = None


def evaluate(
    panels: Panel | Sequence[Panel],
    fit_until: int,
    test_from: int,
    test_until: int,
    models: Sequence[str],
    nulls: Sequence[str],
    protocol: Protocol | None = None,
) -> list[Score]:
    """Return the scores of every model and null against the training mean and every null.

    Parameters
    ----------
    panels : Panel or sequence of Panel
        One asset, or several that are fitted and scored as a pool. An asset whose feed cannot be
        fitted and scored is left out of the pool; ``Score.assets`` has the others. Days of zeros
        in a feed that is not usually silent are left out (`Panel.without_silence`).
    fit_until : int
        Spans that end after it are not fitted [microseconds, UTC].
    test_from, test_until : int
        Spans that end after the first and not after the second are scored [microseconds, UTC].
    models, nulls : sequence of str
        Names: keys of the panels' exposures or features, or nulls of ``nulls.NULLS``.
    protocol : Protocol, optional
        How models are compared. Default: `Protocol`.

    Returns
    -------
    list of Score
        Models first, then nulls, each against the training mean, then each null. Where there is no
        figure, ``status`` says why.

    Raises
    ------
    InvalidParameters
        If fitted and scored spans overlap, or there is no panel.

    Examples
    --------
    Half of what a model consumes is realised, in a market of 40 days:

    >>> rng = np.random.default_rng(1)
    >>> n, end = 960, np.arange(1, 961) * 3_600_000_000
    >>> one, consumed = np.ones(n), rng.gamma(0.5, 2.0, (n, 2))
    >>> panel = Panel(
    ...     end, 3600, consumed / 2, one > 0, one < 0, one, one, one, one, one, one, one,
    ...     {"known": consumed[..., None]}, np.ones((n, 2)), asset="BTC",
    ... )
    >>> row, = evaluate(panel, int(end[479]), int(end[479]), int(end[-1]), ["known"], [])
    >>> row.status.value, round(row.d2, 2), round(row.ratio, 2), row.hours, row.is_short_fit
    ('scored', 1.0, 1.0, 480.0, True)
    """
    pool = _pool(panels)
    protocol = protocol or Protocol()
    window = _Window(protocol.fit_from, fit_until, test_from, test_until)
    return _evaluate_window(pool, window, models, nulls, protocol).scores


def evaluate_rolling(
    panels: Panel | Sequence[Panel],
    models: Sequence[str],
    nulls: Sequence[str],
    protocol: Protocol | None = None,
    *,
    fit_days: float = LEAST_FIT_DAYS,
    test_days: float = TEST_DAYS,
) -> list[Score]:
    """Return the scores of every window of a rolling origin, and of all windows together.

    Parameters
    ----------
    panels, models, nulls, protocol
        As in `evaluate`; the models are fitted anew for every window.
    fit_days : float
        Time before the first window [days].
    test_days : float
        Length of a window and step of the origin [days]. A last window shorter than that is kept.

    Returns
    -------
    list of Score
        As from `evaluate`, window after window; then, with more than one window, the rows of
        all together, whose ``fit_until`` is that of the first window.

    Raises
    ------
    InvalidParameters
        If there is no panel, or a length is not above 0.

    Examples
    --------
    See `evaluate`; a market of 150 days has windows of days 90-120 and 120-150.
    """
    protocol = protocol or Protocol()
    pool = _pool(panels)
    if not (fit_days > 0.0 and test_days > 0.0):
        raise InvalidParameters(f"fit_days is {fit_days}, test_days {test_days}; give more than 0")
    windows = _rolling_windows(pool, protocol.fit_from, fit_days, test_days)
    if not windows:
        return _without_scores(pool, ScoreStatus.TOO_FEW_SPANS, models, nulls)
    results = [_evaluate_window(pool, window, models, nulls, protocol) for window in windows]
    scores = [score for result in results for score in result.scores]
    return scores + (_together(results, nulls, protocol.rules) if len(windows) > 1 else [])


@dataclass(frozen=True, slots=True)
class _Window:
    """What is fitted and what is scored."""

    fit_from: int | None
    fit_until: int
    test_from: int
    test_until: int

    def __post_init__(self) -> None:
        """Refuse to score what was fitted."""
        if self.test_from >= self.test_until:
            raise InvalidParameters(
                f"test_from is {self.test_from}, test_until {self.test_until}; give a later end"
            )
        begins = -np.inf if self.fit_from is None else self.fit_from
        if self.fit_until > self.test_from and begins < self.test_until:
            raise InvalidParameters(
                f"spans fitted up to {self.fit_until} and scored from {self.test_from} overlap: "
                "fit before test_from, or from test_until on"
            )

    def fitted(self, panel: Panel) -> BoolArray:
        """Return which spans are fitted, those without a figure aside."""
        begins = np.iinfo(np.int64).min if self.fit_from is None else self.fit_from
        fitted: BoolArray = panel.within(begins, self.fit_until) & panel.has_figure
        return fitted

    def tested(self, panel: Panel) -> BoolArray:
        """Return which spans are scored."""
        return panel.within(self.test_from, self.test_until)

    def described(self, scores: Sequence[Score], panels: Sequence[Panel]) -> list[Score]:
        """Return scores with what was fitted."""
        ends = [panel.span_end[self.fitted(panel)] for panel in panels]
        times = np.unique(np.concatenate(ends)) if ends else np.zeros(0, dtype=np.int64)
        fit_hours = len(times) * panels[0].span_hours if panels else 0.0
        begins = self.fit_from
        if begins is None:
            begins = int(times[0]) - panels[0].span_seconds * MICROSECONDS if len(times) else 0
        return [
            replace(
                score,
                fit_from=begins,
                fit_until=self.fit_until,
                test_from=self.test_from,
                test_until=self.test_until,
                fit_hours=fit_hours,
                is_short_fit=fit_hours < LEAST_FIT_DAYS * 24.0,
            )
            for score in scores
        ]


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """What one window gave: scores, and the predictions they come from."""

    window: _Window
    scores: list[Score]
    panels: tuple[Panel, ...]
    predictions: dict[str, Prediction]
    mean_usd: tuple[float, ...]


def _evaluate_window(
    pool: Sequence[Panel],
    window: _Window,
    models: Sequence[str],
    nulls: Sequence[str],
    protocol: Protocol,
) -> _Result:
    """Return what one window gives."""
    kept, reason = _usable(pool, window, protocol.rules)
    if not kept:
        nothing = _without_scores(pool, reason, models, nulls)
        return _Result(window, window.described(nothing, pool), (), {}, ())
    training = [window.fitted(panel) for panel in kept]
    predictions = {
        name: predict_model(name, kept, training, protocol.terms)
        for name in dict.fromkeys((*models, *nulls))
    }
    tested = [window.tested(panel) for panel in kept]
    means = tuple(
        float(panel.realised_usd[own].mean()) for panel, own in zip(kept, training, strict=True)
    )
    scores = score_predictions(kept, predictions, tested, means, nulls, protocol.rules)
    return _Result(window, window.described(scores, kept), kept, predictions, means)


def _together(results: Sequence[_Result], nulls: Sequence[str], rules: ScoringRules) -> list[Score]:
    """Return the scores of all windows at once, each span predicted by the fit of its window."""
    found = [result for result in results if result.panels]
    if not found:
        return []
    names = [panel.asset for panel in found[0].panels]
    same = [result for result in found if [one.asset for one in result.panels] == names]
    panels = same[0].panels
    tested = [[result.window.tested(panel) for panel in panels] for result in same]
    predictions = {}
    for model in same[0].predictions:
        usd = tuple(np.full((len(panel), 2), np.nan) for panel in panels)
        for result, rows in zip(same, tested, strict=True):
            for whole, own, part in zip(usd, rows, result.predictions[model].usd, strict=True):
                whole[own] = part[own]
        status = {result.predictions[model].status for result in same}
        is_scored = ScoreStatus.SCORED in status
        predictions[model] = Prediction(usd, ScoreStatus.SCORED if is_scored else status.pop())
    means = [np.full(len(panel), np.nan) for panel in panels]
    for result, rows in zip(same, tested, strict=True):
        for of_asset, own, mean in zip(means, rows, result.mean_usd, strict=True):
            of_asset[own] = mean
    scored = [np.isfinite(mean) for mean in means]
    whole_window = replace(same[0].window, test_until=same[-1].window.test_until)
    scores = score_predictions(panels, predictions, scored, means, nulls, rules)
    return whole_window.described(scores, panels)


def _without_scores(
    pool: Sequence[Panel], reason: ScoreStatus, models: Sequence[str], nulls: Sequence[str]
) -> list[Score]:
    """Return rows that say why there are no figures."""
    assets = tuple(panel.asset for panel in pool)
    return [
        Score(model, null, assets, reason)
        for model in dict.fromkeys((*models, *nulls))
        for null in (TRAINING_MEAN, *nulls)
        if model != null
    ]


def _pool(panels: Panel | Sequence[Panel]) -> tuple[Panel, ...]:
    """Return the assets, spans in which a feed looks down left out."""
    pool = (panels,) if isinstance(panels, Panel) else panels
    return tuple(panel.without_silence() for panel in pool)


def _usable(
    pool: Sequence[Panel], window: _Window, rules: ScoringRules
) -> tuple[tuple[Panel, ...], ScoreStatus]:
    """Return the assets that can be fitted and scored, and why the last of the others cannot."""
    if not pool:
        raise InvalidParameters("there is no panel; give one or more")
    kept, reason = [], ScoreStatus.SCORED
    for panel in pool:
        least = max(round(rules.least_hours / panel.span_hours), 1)
        found = [
            panel.feed_status(rows, least, accepts_lower_bound=rules.accepts_lower_bound)
            for rows in (window.tested(panel), window.fitted(panel))
        ]
        wrong = [one for one in found if one is not ScoreStatus.SCORED]
        if wrong:
            reason = wrong[0]
        else:
            kept.append(panel)
    return tuple(kept), reason


def _rolling_windows(
    pool: Sequence[Panel], fit_from: int | None, fit_days: float, test_days: float
) -> list[_Window]:
    """Return the windows between the first and the last span of the pool."""
    ends = [panel.span_end[panel.has_figure] for panel in pool]
    known = [end for end in ends if len(end)]
    if not known:
        return []
    length = pool[0].span_seconds * MICROSECONDS
    first = min(int(end[0]) for end in known) - length if fit_from is None else fit_from
    last = max(int(end[-1]) for end in known)
    step = round(test_days * DAY_MICROSECONDS)
    origins = range(first + round(fit_days * DAY_MICROSECONDS), last, step)
    return [_Window(fit_from, origin, origin, min(origin + step, last)) for origin in origins]
