"""Fit of realised USD to non-negative exposures: which part of what a model consumes is realised.

Belongs here: the Poisson fit, its intervals, and the prediction before capture. Does not belong
here: the exposures, and the capture of the trailing week (``capture``).

Expected realised USD of a side in a span::

    mu = sum_r theta_r A_r + beta move^2 + alpha        theta, beta, alpha >= 0

Sides are pooled. The parameters maximise the Poisson likelihood times a gamma prior for each, with
one rate for all of them, a small part of what the columns hold on average, and one mean::

    rate = ratio mean_r(S_r)    mean = sum y / sum_r S_r    S_r = sum of column r

A rate in proportion to each column's own sum would let a column that was hardly ever exposed take
any value. The columns of beta and alpha are scaled to the average sum first, so that the same rate
and mean hold for them. Amounts are USD and no counts, so the likelihood is a quasi-likelihood: it
places the parameters, and their spread comes from a bootstrap over blocks of days.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from transforms.calibration.fit_status import FitStatus, ParameterStatus
from transforms.calibration.poisson_solver import Problem, count_blocks, maximise, maximise_draws
from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import DAY_MICROSECONDS, BoolArray, Float32Array, FloatArray, IntArray

LEAST_SPANS: Final = 168
"""Spans with a figure on either side that a fit needs: a week of hours."""

PRIOR_RATE_RATIO: Final = 0.01
"""Rate of the prior, in units of the average sum of a column [ratio]. On recorded BTC hours .2 to
.05 leaves more deviance than .01, and less than .01 predicts larger amounts where a column was
hardly exposed (`docs/decisions/0024-joint-draws-of-a-fit.md`)."""

FLOOR_RATIO: Final = 0.001
"""Least prediction, in units of the mean realised amount [ratio]: the deviance of 0 is infinite."""

WIDEST_LOG_SD: Final = 0.5
"""Standard deviation of ln up to which a parameter is identified [1]: a 90 % interval of a factor
2.3 either way. 90 days give .11 to .15 for the groups of leverage that can be told apart."""

LEAST_EFFECTIVE_BLOCKS: Final = 3.0
"""Blocks, counted by what they hold of a parameter's evidence, below which nothing is known of its
spread: Student's t with fewer than two degrees of freedom has no variance."""

MOST_PRIOR_SHARE: Final = 0.5
"""Part of a parameter's evidence that may be the prior's [ratio]."""

INTERVAL: Final = (0.05, 0.95)
"""Quantiles that bound an interval."""


@dataclass(frozen=True, slots=True)
class BlockDraws:
    """How the spread of the parameters is drawn: a weighted likelihood bootstrap over blocks.

    Each draw gives every block a random weight (`poisson_solver.BLOCK_SHAPE`) and is fitted to the
    weighted spans. The prior mean is drawn from an exponential distribution, one factor for all
    parameters: of columns that were never exposed only a mean is known, and that by analogy.

    Parameters
    ----------
    block : ndarray of int64, shape (n_spans,)
        Block that each span belongs to, see `time_blocks`. Spans of one block have one weight, so
        assets that are pooled share their days.
    generator : numpy.random.Generator
        Where the weights come from.
    n_draws : int
        Draws; at least 2.

    Raises
    ------
    InvalidParameters
        If there are fewer than 2 draws.
    """

    block: IntArray
    generator: np.random.Generator
    n_draws: int = 200

    def __post_init__(self) -> None:
        """Check the number of draws."""
        if self.n_draws < 2:
            raise InvalidParameters(f"n_draws is {self.n_draws}; a spread needs 2 or more")


@dataclass(frozen=True, slots=True)
class PoissonFit:
    """Parameters of one fit, their spread, and what the data say about each.

    The axis ``parameter`` holds the columns in order, then move, then constant. Without figures
    (``status``) every float is NaN.

    Parameters
    ----------
    weights : ndarray of float64, shape (m,)
        Realised USD for one unit of each column [USD per unit].
    move_weight : float
        Realised USD for a squared log move of 1 [USD per ln^2]; 0 where not in the model.
    constant : float
        Realised USD of any span [USD]; 0 where not in the model.
    floor : float
        Least prediction [USD].
    log_sd : ndarray of float64, shape (m + 2,)
        Standard deviation of ln of each parameter over the draws [1], also of those that are not
        identified; infinite for parameters that are not in the model, NaN without draws.
    is_identified : ndarray of bool, shape (m + 2,)
        Whether ``parameter_status`` is ``identified``.
    is_converged : bool
        Whether the criterion held for the fit and for every draw.
    hours : int
        Spans with a figure on either side.
    deviance : float
        Poisson deviance of the floored prediction on the spans fitted [USD].
    status : FitStatus
        Whether there are figures, and why not.
    parameter_status : tuple of ParameterStatus, length m + 2
        What the data say about each parameter.
    low, high : ndarray of float64, shape (m + 2,)
        Bounds of the 90 % interval [as the parameter]; NaN without draws.
    prior_share : ndarray of float64, shape (m + 2,)
        Part of each parameter's evidence that is the prior's [ratio]; 1 where never exposed.
    block_count : ndarray of float64, shape (m + 2,)
        Blocks that hold each parameter's evidence, counted by their weight; NaN without draws.
    draws : ndarray of float32, shape (n_draws, m + 2)
        Parameters of each draw [as the parameter]; no rows without draws.
    """

    weights: FloatArray
    move_weight: float
    constant: float
    floor: float
    log_sd: FloatArray
    is_identified: BoolArray
    is_converged: bool
    hours: int
    deviance: float
    status: FitStatus
    parameter_status: tuple[ParameterStatus, ...]
    low: FloatArray
    high: FloatArray
    prior_share: FloatArray
    block_count: FloatArray
    draws: Float32Array


def time_blocks(span_end: IntArray, days: float = 3.0) -> IntArray:
    """Return the block of days that each span belongs to.

    Parameters
    ----------
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC].
    days : float
        Length of a block [days].

    Returns
    -------
    ndarray of int64, shape (n_spans,)
        Number of the block, counted from 1970; the same for the same instant of any asset.

    Examples
    --------
    >>> day = 86_400_000_000
    >>> time_blocks(np.array([1, 3 * day, 3 * day + 1, 7 * day])).tolist()
    [0, 0, 1, 2]
    """
    blocks: IntArray = ((span_end - 1) // int(days * DAY_MICROSECONDS)).astype(np.int64)
    return blocks


def fit_poisson(
    columns: FloatArray,
    realised: FloatArray,
    move: FloatArray,
    *,
    has_move: bool = True,
    has_constant: bool = True,
    prior_rate_ratio: float = PRIOR_RATE_RATIO,
    block_draws: BlockDraws | None = None,
) -> PoissonFit:
    """Return the parameters that maximise likelihood times prior, and their spread.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_spans, 2, m)
        Exposures of each span and side, at least 0 [any unit, one a column].
    realised : ndarray of float64, shape (n_spans, 2)
        Liquidations [USD], at least 0. NaN: not known.
    move : ndarray of float64, shape (n_spans, 2)
        Move of price against the side, see `features.adverse_move` [ln].
    has_move, has_constant : bool
        Whether beta and alpha are in the model.
    prior_rate_ratio : float
        Rate of the prior, in units of the average sum of a column [ratio].
    block_draws : BlockDraws, optional
        How to draw the spread. Default: none is drawn, and no parameter is identified.

    Returns
    -------
    PoissonFit
        Sides of spans where an exposure, a realised figure or a move in use is not finite are left
        out. Where nothing can be fitted ``status`` says why.

    Raises
    ------
    InvalidInput
        If shapes differ or an amount is negative.
    InvalidParameters
        If the ratio of the prior is not above 0.

    Examples
    --------
    Half of what is consumed is realised:

    >>> columns = np.arange(400.0).reshape(200, 2, 1)
    >>> fit = fit_poisson(columns, columns[..., 0] / 2, np.zeros((200, 2)), has_constant=False)
    >>> fit.status.value, fit.weights.round(2).tolist(), fit.hours
    ('fitted', [0.5], 200)
    """
    _check(columns, realised, move, prior_rate_ratio)
    in_model = np.concatenate([np.full(columns.shape[2], True), [has_move, has_constant]])
    features = np.concatenate(
        [columns, (move**2)[..., None], np.ones((*realised.shape, 1))], axis=2
    )[..., in_model]
    is_known = np.isfinite(realised) & np.isfinite(features).all(axis=2)
    spans = int(is_known.any(axis=1).sum())
    y, x = realised[is_known], features[is_known]
    status = _reason_not_to_fit(y, x, spans)
    if status is not FitStatus.FITTED:
        return _without_figures(columns.shape[2], spans, status)
    unit = _units(x, columns.shape[2])
    problem = Problem.of(x / unit, y / y.mean(), prior_rate_ratio, max(columns.shape[2], 1))
    solution = maximise(problem)
    spread = _draw(problem, solution.theta, is_known, block_draws)
    scale = y.mean() / unit
    floor = FLOOR_RATIO * y.mean()
    deviance = poisson_deviance(y, np.maximum(x @ (solution.theta * scale), floor)).sum()
    fit = _describe(problem, solution.theta, spread, in_model, scale)
    is_converged = solution.is_converged and spread.are_converged
    return replace(
        fit,
        floor=float(floor),
        is_converged=is_converged,
        hours=spans,
        deviance=float(deviance),
        status=FitStatus.FITTED if is_converged else FitStatus.NOT_CONVERGED,
    )


def predict(fit: PoissonFit, columns: FloatArray, move: FloatArray) -> FloatArray:
    """Return expected realised USD of each span and side before capture, floored.

    Parameters
    ----------
    fit : PoissonFit
        Parameters; without figures everything predicted is NaN.
    columns : ndarray of float64, shape (n_spans, 2, m)
        Exposures, as fitted [unit of each column].
    move : ndarray of float64, shape (n_spans, 2)
        Move of price against the side [ln]; not read where the fit has none.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        Expected liquidations [USD]; NaN where an input is NaN.

    Raises
    ------
    InvalidInput
        If the number of columns is not that of the fit.

    Examples
    --------
    >>> columns = np.arange(400.0).reshape(200, 2, 1)
    >>> fit = fit_poisson(columns, columns[..., 0] / 2, np.zeros((200, 2)), has_constant=False)
    >>> predict(fit, np.array([[[0.0], [100.0]]]), np.zeros((1, 2))).round(1).tolist()
    [[0.1, 50.0]]
    """
    if columns.shape[-1] != fit.weights.size:
        raise InvalidInput(
            f"there are {columns.shape[-1]} columns, the fit has {fit.weights.size} weights"
        )
    mu = columns @ fit.weights + fit.constant
    if fit.move_weight != 0.0:
        mu = mu + fit.move_weight * move**2
    predicted: FloatArray = np.maximum(mu, fit.floor)
    return predicted


def poisson_deviance(realised: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the Poisson deviance of each figure, ``2 (y ln(y / mu) - (y - mu))``.

    McCullagh and Nelder, Generalized Linear Models (1989), 2.3.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_spans, 2)
        Realised liquidations [USD].
    predicted : ndarray of float64, shape (..., n_spans, 2)
        Predicted liquidations [USD], above 0.

    Returns
    -------
    ndarray of float64, shape (..., n_spans, 2)
        Deviance [USD]. NaN where either is; infinite where 0 was predicted of something.

    Examples
    --------
    >>> poisson_deviance(np.array([[1.0, 0.0]]), np.array([[1.0, 2.0]])).tolist()
    [[0.0, 4.0]]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = realised * np.log(np.where(realised == 0.0, 1.0, realised / predicted))
    deviance: FloatArray = 2.0 * (surprise - (realised - predicted))
    return deviance


def _check(columns: FloatArray, realised: FloatArray, move: FloatArray, ratio: float) -> None:
    """Refuse arrays that do not belong together and amounts that cannot be."""
    if realised.ndim != 2 or realised.shape[1] != 2:
        raise InvalidInput(f"realised has shape {realised.shape}, expected (n_spans, 2)")
    if columns.ndim != 3 or columns.shape[:2] != realised.shape or move.shape != realised.shape:
        raise InvalidInput(
            f"columns and move have shapes {columns.shape} and {move.shape}, "
            f"expected {(*realised.shape, 'm')} and {realised.shape}"
        )
    for name, amount in (("columns", columns), ("realised", realised), ("move", move)):
        if np.any(amount < 0.0):
            raise InvalidInput(f"{name} holds a negative amount; give NaN for unknown")
    if not ratio > 0.0:
        raise InvalidParameters(f"prior_rate_ratio is {ratio}; expected above 0")


def _reason_not_to_fit(y: FloatArray, x: FloatArray, spans: int) -> FitStatus:
    """Return `FITTED` where there is something to fit, the reason otherwise."""
    if spans < LEAST_SPANS:
        return FitStatus.TOO_FEW_SPANS
    if not np.any(y > 0.0):
        return FitStatus.NOTHING_REALISED
    if not np.any(x > 0.0):
        return FitStatus.NOTHING_PREDICTED
    return FitStatus.FITTED


def _units(x: FloatArray, n_columns: int) -> FloatArray:
    """Return what each column is divided by: columns average 1, and so do move and constant."""
    means = x.mean(axis=0)
    exposure = means[:n_columns].mean() if n_columns else 1.0
    unit: FloatArray = np.concatenate([np.full(n_columns, exposure), means[n_columns:]])
    return np.where(unit > 0.0, unit, 1.0)


class _Spread(NamedTuple):
    """Draws in scaled units, shape (n_draws, p), and the blocks behind each, shape (p,)."""

    draws: FloatArray
    are_converged: bool
    block_count: FloatArray


def _draw(
    problem: Problem, theta: FloatArray, is_known: BoolArray, block_draws: BlockDraws | None
) -> _Spread:
    """Return what is known of the spread around a maximum; no draws where none are wanted."""
    if block_draws is None:
        return _Spread(np.empty((0, theta.size)), True, np.full(theta.size, np.nan))
    span_of_row = np.nonzero(is_known)[0]
    _, block = np.unique(block_draws.block[span_of_row], return_inverse=True)
    draws, are_converged = maximise_draws(
        problem, theta, block, block_draws.n_draws, block_draws.generator
    )
    return _Spread(draws, are_converged, count_blocks(problem.explained(theta), block))


def _describe(
    problem: Problem,
    theta: FloatArray,
    spread: _Spread,
    in_model: BoolArray,
    scale: FloatArray,
) -> PoissonFit:
    """Return a fit with its parameters and their spread, without what concerns the whole."""
    prior_share = problem.prior_share(theta)
    is_exposed = problem.exposure > problem.rate
    n_draws = len(spread.draws)
    log_sd = np.log(spread.draws).std(axis=0) if n_draws else np.full(theta.size, np.nan)
    found = [
        _parameter_status(bool(exposed), float(share), float(sd), float(count))
        for exposed, share, sd, count in zip(
            is_exposed, prior_share, log_sd, spread.block_count, strict=True
        )
    ]
    statuses = iter(found)
    parameter_status = tuple(
        next(statuses) if one else ParameterStatus.LEFT_OUT for one in in_model
    )
    parameters = _spread_over(in_model, theta * scale, 0.0)
    drawn = np.zeros((n_draws, in_model.size), dtype=np.float32)
    drawn[:, in_model] = spread.draws * scale
    low, high = (
        np.quantile(drawn.astype(np.float64), INTERVAL, axis=0)
        if n_draws
        else np.full((2, in_model.size), np.nan)
    )
    return replace(
        _without_figures(in_model.size - 2, 0, FitStatus.FITTED),
        weights=parameters[:-2],
        move_weight=float(parameters[-2]),
        constant=float(parameters[-1]),
        log_sd=_spread_over(in_model, log_sd, np.inf),
        is_identified=np.array([one is ParameterStatus.IDENTIFIED for one in parameter_status]),
        parameter_status=parameter_status,
        low=low,
        high=high,
        prior_share=_spread_over(in_model, prior_share, 1.0),
        block_count=_spread_over(in_model, spread.block_count, 0.0),
        draws=drawn,
    )


def _spread_over(in_model: BoolArray, values: FloatArray, otherwise: float) -> FloatArray:
    """Return values of the parameters in the model on the axis of all parameters."""
    spread = np.full(in_model.size, otherwise)
    spread[in_model] = values
    return spread


def _parameter_status(
    is_exposed: bool, prior_share: float, log_sd: float, block_count: float
) -> ParameterStatus:
    """Return what the data say about one parameter in the model."""
    if not is_exposed:
        return ParameterStatus.NOT_EXPOSED
    if prior_share > MOST_PRIOR_SHARE:
        return ParameterStatus.AT_BOUND
    if np.isnan(log_sd):
        return ParameterStatus.NOT_DRAWN
    if block_count < LEAST_EFFECTIVE_BLOCKS:
        return ParameterStatus.FEW_BLOCKS
    return ParameterStatus.IDENTIFIED if log_sd <= WIDEST_LOG_SD else ParameterStatus.WIDE


def _without_figures(n_columns: int, spans: int, status: FitStatus) -> PoissonFit:
    """Return a fit that says why it has no figures."""
    unknown = np.full(n_columns + 2, np.nan)
    return PoissonFit(
        weights=unknown[:n_columns],
        move_weight=np.nan,
        constant=np.nan,
        floor=np.nan,
        log_sd=unknown,
        is_identified=np.zeros(n_columns + 2, dtype=np.bool_),
        is_converged=False,
        hours=spans,
        deviance=np.nan,
        status=status,
        parameter_status=(ParameterStatus.LEFT_OUT,) * (n_columns + 2),
        low=unknown,
        high=unknown,
        prior_share=unknown,
        block_count=unknown,
        draws=np.empty((0, n_columns + 2), dtype=np.float32),
    )
