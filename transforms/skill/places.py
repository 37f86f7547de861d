"""Where within a span liquidations come, once the amount is given: tests of place.

Belongs here: cells that price reached, the S-test, gains of place over nulls, and the share of
liquidated USD in the top quarter of levels. Does not belong here: amounts (``score_table``).

A group is what price went through at once: the two halves of an hour, or the levels that price
traded in a day. Within a group only the split over its cells is scored. Cells that price did not
reach do not count: levels near price are hit more often, and a model that knows no more than that
looks skilled against a random zone. That the top quarter of the levels held more than a quarter of
the USD proves nothing by itself either; "farther is better" does that too. Give such nulls as
predictions of their own.

S-test: Zechar, Gerstenberger and Rhoades 2010, BSSA 100, 1184.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from transforms.errors import InvalidInput
from transforms.series import MICROSECONDS, BoolArray, FloatArray, IntArray
from transforms.skill.bootstrap import LEAST_RESAMPLED_BLOCKS, Blocks, draw_blocks, interval
from transforms.skill.consistency import student_probability
from transforms.skill.panel import Panel, ScoreStatus
from transforms.skill.score_table import ScoringRules
from transforms.skill.scores import deviance_removed

CHANCE: Final = ""
"""Name of the null that gives every cell that was reached the same."""

EVEN_SHARE: Final = 0.01
"""Part of every split that goes to all cells evenly, so that no cell is impossible [ratio]."""

TOP_SHARE: Final = 0.25
"""Part of the levels that is held against the rest [ratio]."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Cells of groups, what was realised in them, and what models predict of them.

    Parameters
    ----------
    group_end : ndarray of int64, shape (n_groups,)
        Instant at which each group ends [microseconds, UTC], in any order; may repeat.
    realised_usd : ndarray of float64, shape (n_groups, n_cells)
        Liquidations in each cell [USD], at least 0.
    is_reached : ndarray of bool, shape (n_groups, n_cells)
        Whether price reached the cell. What is realised elsewhere is not scored.
    predicted : mapping of str to ndarray of float64, shape (n_groups, n_cells)
        What each model puts into each cell, known before the group began but for the prices that
        were reached [any unit], finite and at least 0.

    Raises
    ------
    InvalidInput
        If shapes differ or a value is negative or not finite.

    Examples
    --------
    >>> places = Places(
    ...     np.array([1]), np.array([[3.0, 1.0]]), np.ones((1, 2), dtype=bool),
    ...     {"path": np.array([[6.0, 2.0]])},
    ... )
    >>> list(places.predicted)
    ['path']
    """

    group_end: IntArray
    realised_usd: FloatArray
    is_reached: BoolArray
    predicted: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        """Check shapes and values."""
        shape = self.realised_usd.shape
        if len(shape) != 2 or self.is_reached.shape != shape or self.group_end.shape != shape[:1]:
            raise InvalidInput(
                f"places have ends of shape {self.group_end.shape}, realised {shape} and reached "
                f"{self.is_reached.shape}; expected (n_groups,) and (n_groups, n_cells)"
            )
        for name, array in {"realised_usd": self.realised_usd, **self.predicted}.items():
            if array.shape != shape or not np.all(np.isfinite(array) & (array >= 0.0)):
                raise InvalidInput(
                    f"places of {name} have shape {array.shape}, expected {shape} of finite "
                    "amounts of at least 0"
                )
        object.__setattr__(self, "predicted", MappingProxyType(dict(self.predicted)))


@dataclass(frozen=True, slots=True)
class PlaceScore:
    """How well a model places liquidations against a null. Figures are NaN without a score.

    Parameters
    ----------
    model, null : str
        Names; null ``""`` is chance: every cell that was reached alike.
    status : ScoreStatus
        Whether there are figures, and why not.
    groups : int
        Groups with more than one cell reached and something realised in them.
    realised_usd : float
        Liquidations in their cells [USD].
    misplaced_removed, misplaced_low, misplaced_high : float
        Multinomial deviance removed from the null's, with its 95 % interval [1]: how much nearer
        the split is to what happened.
    top_share, top_low, top_high : float
        Share of the USD in the quarter of the cells with most predicted, with its 95 % interval
        [0-1]; .25 by chance.
    top_gain, top_gain_low, top_gain_high : float
        The same less that of the null [1].
    place_quantile : float
        S-test: probability of a likelihood of the split no larger than the one that came, if the
        model were right [0-1]; below .025 it is wrong, or too sure.
    """

    model: str
    null: str
    status: ScoreStatus
    groups: int = 0
    realised_usd: float = np.nan
    misplaced_removed: float = np.nan
    misplaced_low: float = np.nan
    misplaced_high: float = np.nan
    top_share: float = np.nan
    top_low: float = np.nan
    top_high: float = np.nan
    top_gain: float = np.nan
    top_gain_low: float = np.nan
    top_gain_high: float = np.nan
    place_quantile: float = np.nan


def halves_within(panel: Panel, predicted: Mapping[str, FloatArray]) -> Places:
    """Return the halves of hours as cells, a group for each hour and side.

    Parameters
    ----------
    panel : Panel
        Spans of half the length that is split, so of half hours for hours.
    predicted : mapping of str to ndarray of float64, shape (n_spans, 2)
        What each model predicts of each half [any unit]. NaN: the hour is left out for all.

    Returns
    -------
    Places
        Hours of which both halves have a figure and a prediction of every model.

    Examples
    --------
    >>> half, one = 1_800_000_000, np.ones(3)
    >>> panel = Panel(
    ...     np.array([1, 2, 3]) * half, 1800, np.array([[3.0, 0.0], [1.0, 2.0], [9.0, 9.0]]),
    ...     one > 0, one < 0, one, one, one, one, one, one, one, {}, np.ones((3, 2)),
    ... )
    >>> halves_within(panel, {}).realised_usd.tolist()
    [[3.0, 1.0], [0.0, 2.0]]
    """
    length = panel.span_seconds * MICROSECONDS
    is_known = panel.has_figure.copy()
    for usd in predicted.values():
        is_known &= np.isfinite(usd).all(axis=1)
    second = np.flatnonzero(
        (np.diff(panel.span_end) == length)
        & (panel.span_end[1:] % (2 * length) == 0)
        & is_known[1:]
        & is_known[:-1]
    )
    pairs = np.stack((second, second + 1), axis=-1)

    def cells(usd: FloatArray) -> FloatArray:
        return usd[pairs].swapaxes(1, 2).reshape(-1, 2)

    return Places(
        np.repeat(panel.span_end[second + 1], 2),
        cells(panel.realised_usd),
        np.ones((2 * len(second), 2), dtype=np.bool_),
        {model: cells(usd) for model, usd in predicted.items()},
    )


def top_weights(
    predicted: FloatArray, is_reached: BoolArray, share: float = TOP_SHARE
) -> FloatArray:
    """Return how far each cell belongs to the top of its group.

    Parameters
    ----------
    predicted : ndarray of float64, shape (n_groups, n_cells)
        What ranks the cells of a group [any unit].
    is_reached : ndarray of bool, shape (n_groups, n_cells)
        Cells that count.
    share : float
        Part of the cells that makes the top [ratio].

    Returns
    -------
    ndarray of float64, shape (n_groups, n_cells)
        0 to 1, `share` on average over the cells that count. A cell across the border counts in
        part, and equal cells alike, whatever their order.

    Examples
    --------
    >>> is_reached = np.array([[True, True, True, True, False]])
    >>> top_weights(np.array([[1.0, 5.0, 1.0, 1.0, 9.0]]), is_reached).tolist()
    [[0.0, 1.0, 0.0, 0.0, 0.0]]
    >>> top_weights(np.array([[2.0, 2.0]]), np.ones((1, 2), dtype=bool)).tolist()
    [[0.25, 0.25]]
    """
    n_groups, n_cells = predicted.shape
    if predicted.size == 0:
        return np.zeros(predicted.shape)
    value = np.where(is_reached, predicted, -1.0)
    order = np.argsort(-value, axis=1, kind="stable")
    ordered = np.take_along_axis(value, order, axis=1)
    # The first cell of each run of equal ones, and how many there are.
    is_first = np.column_stack((np.ones(n_groups, dtype=bool), np.diff(ordered, axis=1) != 0.0))
    flat_first = np.flatnonzero(is_first.ravel())
    counts = np.diff(np.append(flat_first, predicted.size))
    before = np.repeat(flat_first % n_cells, counts).reshape(predicted.shape)
    equal = np.repeat(counts, counts).reshape(predicted.shape)
    room = share * is_reached.sum(axis=1, keepdims=True)
    weight = np.where(ordered >= 0.0, np.clip((room - before) / equal, 0.0, 1.0), 0.0)
    found = np.empty_like(weight)
    np.put_along_axis(found, order, weight, axis=1)
    return found


def score_places(places: Places, nulls: Sequence[str], rules: ScoringRules) -> list[PlaceScore]:
    """Return a row for each model against chance and against each null.

    Parameters
    ----------
    places : Places
        Cells of groups.
    nulls : sequence of str
        Which of the predictions are nulls; one that is missing gives rows that say so.
    rules : ScoringRules
        How intervals are drawn. ``least_hours`` is read as a number of groups.

    Returns
    -------
    list of PlaceScore
        In the order of the predictions, chance first, then the nulls.

    Examples
    --------
    A model that knows the split, over 20 days:

    >>> split = np.tile([[3.0, 1.0], [1.0, 3.0]], (240, 1))
    >>> places = Places(
    ...     np.arange(1, 481) * 3_600_000_000, split, np.ones((480, 2), dtype=bool), {"map": split}
    ... )
    >>> row, = score_places(places, [], ScoringRules(block_days=1.0))
    >>> round(row.misplaced_removed, 3), row.top_share
    (1.0, 0.375)
    """
    realised = np.where(places.is_reached, places.realised_usd, 0.0)
    is_split = (places.is_reached.sum(axis=1) > 1) & (realised.sum(axis=1) > 0.0)
    pairs = [
        (model, null) for model in places.predicted for null in (CHANCE, *nulls) if model != null
    ]
    if np.count_nonzero(is_split) < rules.least_hours:
        is_empty = len(realised) > 0 and not np.any(realised > 0.0)
        status = ScoreStatus.ALL_ZERO if is_empty else ScoreStatus.TOO_FEW_SPANS
        return [PlaceScore(model, null, status) for model, null in pairs]
    reached, amount = places.is_reached[is_split], realised[is_split]
    blocks = draw_blocks(
        places.group_end[is_split],
        np.random.default_rng(rules.seed),
        rules.block_days,
        rules.n_draws,
    )
    compared = {CHANCE: places.is_reached.astype(np.float64), **places.predicted}
    figures = {
        model: _figures(amount, reached, predicted[is_split], blocks)
        for model, predicted in compared.items()
    }
    usd = blocks.sums(amount.sum(axis=1))
    return [
        _row(PlaceScore(model, null, ScoreStatus.SCORED, len(amount)), figures, usd, blocks)
        if null in figures
        else PlaceScore(model, null, ScoreStatus.NO_NULL)
        for model, null in pairs
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Figures:
    """Sums of one model by block, each of shape (n_blocks,)."""

    deviance: FloatArray
    top_usd: FloatArray
    surprise: FloatArray
    """Log likelihood of the split that came less what the model expects of it [USD nat]."""


def _figures(
    amount: FloatArray, reached: BoolArray, predicted: FloatArray, blocks: Blocks
) -> _Figures:
    """Return the sums of one model."""
    held = np.where(reached, predicted, 0.0)
    total, count = held.sum(axis=1, keepdims=True), reached.sum(axis=1, keepdims=True)
    even = np.where(reached, 1.0 / count, 0.0)
    share = np.where(total > 0.0, held / np.where(total > 0.0, total, 1.0), even)
    share = (1.0 - EVEN_SHARE) * share + EVEN_SHARE * even
    logs = np.log(np.where(reached, share, 1.0))
    usd = amount.sum(axis=1, keepdims=True)
    saturated = np.log(np.where(amount > 0.0, amount / usd, 1.0))
    return _Figures(
        blocks.sums(2.0 * (amount * (saturated - logs)).sum(axis=1)),
        blocks.sums((amount * top_weights(held, reached)).sum(axis=1)),
        blocks.sums(((amount - usd * share) * logs).sum(axis=1)),
    )


def _row(
    score: PlaceScore, figures: Mapping[str, _Figures], usd: FloatArray, blocks: Blocks
) -> PlaceScore:
    """Return a score with its figures."""
    own, null = figures[score.model], figures[score.null]
    drawn_usd = blocks.drawn(usd)
    removed = interval(
        deviance_removed(blocks.drawn(own.deviance), blocks.drawn(null.deviance)), blocks.n_blocks
    )
    top = interval(blocks.drawn(own.top_usd) / drawn_usd, blocks.n_blocks)
    gain = interval(blocks.drawn(own.top_usd - null.top_usd) / drawn_usd, blocks.n_blocks)
    return replace(
        score,
        realised_usd=float(usd.sum()),
        misplaced_removed=float(deviance_removed(own.deviance.sum(), null.deviance.sum())),
        misplaced_low=float(removed[0]),
        misplaced_high=float(removed[1]),
        top_share=float(own.top_usd.sum() / usd.sum()),
        top_low=float(top[0]),
        top_high=float(top[1]),
        top_gain=float((own.top_usd - null.top_usd).sum() / usd.sum()),
        top_gain_low=float(gain[0]),
        top_gain_high=float(gain[1]),
        place_quantile=_place_quantile(own.surprise),
    )


def _place_quantile(surprise: FloatArray) -> float:
    """Return the quantile of the likelihood of the split, by the spread of blocks about their mean.

    CSEP simulates catalogues of independent events. Amounts come in clusters whose number is not
    known, so the spread is taken from blocks of days.
    """
    n_blocks = len(surprise)
    sd = surprise.std(ddof=1) if n_blocks >= LEAST_RESAMPLED_BLOCKS else 0.0
    if not sd > 0.0:
        return math.nan
    return float(student_probability(surprise.mean() / (sd / math.sqrt(n_blocks)), n_blocks - 1))
