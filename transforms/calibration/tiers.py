"""Weights of the leverage tiers that an estimator assumes, fitted to what was realised.

Belongs here: the fit of weights, with the estimator run again as they change. Does not belong
here: the estimator, which is a function that the caller gives; the weights it ships with.

Expected realised USD of a side in a span::

    mu = kappa sum_m theta_m consumed_m / w_m + beta OI move^2

with consumed_m what the estimator liquidated in tier m when it ran with weights w. The likelihood
and the prior are those of ``poisson``: theta / theta_prior has one mean for all tiers. Tiers that
flows cannot tell apart share one factor.

Three things decide what is identified:

- Flows know the product of kappa and theta only. Without an anchor, a share of positions that was
  measured, theta keeps the sum of the prior above 5x and kappa is whatever is left.
- Prices that liquidate 5x and less are so seldom reached that their weights are never identified.
  Without an anchor they are the prior's.
- A weight hangs on the blocks of time in which price reached its tier, at times on very few.
  Intervals allow for that (``few_blocks``); a sum of uncertain factors has the degrees of
  freedom of Welch and Satterthwaite (1946, Biometrics Bulletin 2, 110).
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from transforms.calibration.few_blocks import widened_interval
from transforms.calibration.fit_status import FitStatus, ParameterStatus
from transforms.calibration.poisson import BlockDraws, PoissonFit, fit_poisson
from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import BoolArray, Float32Array, FloatArray, IntArray

Estimator = Callable[[FloatArray], FloatArray]
"""From weights, shape (n_tiers,), to what each tier consumed, shape (n_spans, 2, n_tiers) [USD]."""

GROUP_BOUNDS: Final = (5.0, 10.0, 25.0)
"""Largest leverage of each group of tiers that share one factor but the last [multiple]. The first
is never identified; in the others liquidation prices are too near one another to be told apart."""

WIDEST_FACTOR: Final = 2.3
"""Bound over estimate up to which a weight is identified [ratio], as ``poisson.WIDEST_LOG_SD``."""

PRIOR_LOG_SD: Final = 1.28
"""How far the prior's ratio of two factors may be off [ln]: that of an exponential distribution,
as for the rows of a ledger. The draws of a fit move all factors of the prior together."""

PRIOR_RATE_RATIO: Final = 0.05
"""Rate of the prior, see ``poisson.fit_poisson`` [ratio]: with a handful of factors the prior is
what keeps them apart, and where it starts from is known better than that of a ledger's rows."""

MOST_RUNS: Final = 5
"""Runs of the estimator, each with the weights of the fit before."""

SMALLEST_CHANGE: Final = 0.02
"""Largest change of ln theta between runs at convergence [1]: below any spread."""


@dataclass(frozen=True, slots=True)
class TierObservations:
    """What the weights are fitted to.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_spans, 2)
        Liquidations [USD]. NaN: not known.
    move : ndarray of float64, shape (n_spans, 2)
        Move of price against the side, see `features.adverse_move` [ln].
    open_interest_usd : ndarray of float64, shape (n_spans,)
        Open interest before the span [USD].
    capture : ndarray of float64, shape (n_spans,)
        Capture of each span, by which all that is expected is multiplied [ratio]: ones, or the
        trailing one of the model with its prior weights. NaN: the span is left out.
    """

    realised: FloatArray
    move: FloatArray
    open_interest_usd: FloatArray
    capture: FloatArray


@dataclass(frozen=True, slots=True)
class TierFit:
    """Fitted weights; NaN without figures.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_tiers,)
        Share of fresh positions in each tier [ratio].
    kappa : float
        Realised / consumed with these weights [ratio].
    is_kappa_identified : bool
        Whether an anchor was given and leaves the weights a sum of 1 at most.
    move_weight : float
        Beta [USD per USD of open interest and ln^2].
    group : ndarray of int64, shape (n_tiers,)
        Factor that each tier shares.
    log_sd : ndarray of float64, shape (n_tiers,)
        Standard deviation of ln of each weight over the draws [1]; NaN without draws.
    low, high : ndarray of float64, shape (n_tiers,)
        Bounds of the 90 % interval of each weight [ratio]; NaN without draws.
    blocks : ndarray of float64, shape (n_tiers,)
        Effective blocks of time that each weight hangs on; NaN without draws.
    is_identified : ndarray of bool, shape (n_tiers,)
        Whether the data place the factor of the tier by themselves, to a factor of 2.3 either way.
    parameter_status : tuple of ParameterStatus, length n_tiers
        What the data say about each factor.
    draws : ndarray of float32, shape (n_draws, n_tiers)
        Weights of each draw, joint [ratio].
    runs : int
        Runs of the estimator.
    is_converged : bool
        Whether the weights stopped changing, and the last fit converged.
    status : FitStatus
        Whether there are figures, and why not.
    """

    weights: FloatArray
    kappa: float
    is_kappa_identified: bool
    move_weight: float
    group: IntArray
    log_sd: FloatArray
    low: FloatArray
    high: FloatArray
    blocks: FloatArray
    is_identified: BoolArray
    parameter_status: tuple[ParameterStatus, ...]
    draws: Float32Array
    runs: int
    is_converged: bool
    status: FitStatus


def fit_tiers(
    estimator: Estimator,
    leverages: FloatArray,
    prior_weights: FloatArray,
    observed: TierObservations,
    *,
    anchor: float | None = None,
    has_move: bool = True,
    block_draws: BlockDraws | None = None,
) -> TierFit:
    """Return the weights under which an estimator's consumption is nearest to what was realised.

    Parameters
    ----------
    estimator : callable
        Runs the estimator with given weights and returns what each tier consumed and swept [USD].
    leverages : ndarray of float64, shape (n_tiers,)
        Leverage of each tier, increasing.
    prior_weights : ndarray of float64, shape (n_tiers,)
        Weights that the prior is around, above 0 [ratio]; the first run uses them.
    observed : TierObservations
        What happened.
    anchor : float, optional
        Kappa, from measured positions [ratio]. Default: not known.
    has_move : bool
        Whether beta is in the model. It stands for what opens and is liquidated within a bar, which
        an estimator sees on bars of minutes; there it takes from the highest leverage.
    block_draws : BlockDraws, optional
        How to draw the spread around the last fit, the estimator held as it is.

    Returns
    -------
    TierFit
        Where nothing can be fitted ``status`` says why.

    Raises
    ------
    InvalidInput
        If shapes differ or an amount is negative.
    InvalidParameters
        If a prior weight or the anchor is not above 0, or leverages do not increase.

    Examples
    --------
    Twice as much of 100x is realised as the prior has of it, and half as much of 10x:

    >>> made = np.random.default_rng(0).gamma(1.0, 1.0, (400, 2, 2))
    >>> observed = TierObservations(
    ...     made @ np.array([0.05, 0.2]), np.zeros((400, 2)), np.ones(400), np.ones(400)
    ... )
    >>> prior = np.array([0.1, 0.1])
    >>> fit = fit_tiers(lambda w: made * w, np.array([10.0, 100.0]), prior, observed)
    >>> fit.weights.round(2).tolist(), round(fit.kappa, 1), fit.is_kappa_identified
    ([0.05, 0.15], 1.2, False)
    """
    _check(leverages, prior_weights, anchor)
    group = group_of_tiers(leverages)
    is_low = leverages <= GROUP_BOUNDS[0]
    fit_columns = functools.partial(_fit, observed=observed, has_move=has_move)
    columns, fit, run, is_settled = _settle(
        estimator, fit_columns, observed.realised.shape, group, prior_weights, is_low
    )
    if not fit.status.has_figures:
        return _without_figures(group, run, fit.status)
    normals = np.zeros((0, columns.shape[2]))
    if block_draws is not None:
        fit = fit_columns(columns, block_draws=block_draws)
        normals = block_draws.generator.standard_normal((len(fit.draws), columns.shape[2]))
    described = _describe(fit, normals, group, is_low, prior_weights, anchor)
    is_converged = is_settled and fit.is_converged
    return replace(
        described,
        runs=run,
        is_converged=is_converged,
        status=FitStatus.FITTED if is_converged else FitStatus.NOT_CONVERGED,
    )


def _settle(
    estimator: Estimator,
    fit_columns: Callable[[FloatArray], PoissonFit],
    shape: tuple[int, ...],
    group: IntArray,
    prior_weights: FloatArray,
    is_low: BoolArray,
) -> tuple[FloatArray, PoissonFit, int, bool]:
    """Return columns and fit of the last run, how many there were, and whether weights settled."""
    weights, run, is_settled = prior_weights, 0, False
    while True:
        run += 1
        consumed = estimator(weights)
        if consumed.shape != (*shape, group.size):
            raise InvalidInput(
                f"the estimator consumed {consumed.shape}, expected {(*shape, group.size)}"
            )
        columns = _merge(consumed * (prior_weights / weights), group)
        fit = fit_columns(columns)
        if not fit.status.has_figures:
            return columns, fit, run, False
        found, _ = _weights_and_kappa(fit.weights[group], is_low, prior_weights, None)
        found[is_low] = prior_weights[is_low]
        is_settled = bool(np.max(np.abs(np.log(found / weights))) < SMALLEST_CHANGE)
        weights = found
        if is_settled or run == MOST_RUNS:
            return columns, fit, run, is_settled


def group_of_tiers(leverages: FloatArray) -> IntArray:
    """Return the group of tiers that each tier shares its factor with.

    Parameters
    ----------
    leverages : ndarray of float64, shape (n_tiers,)
        Leverage of each tier, increasing.

    Returns
    -------
    ndarray of int64, shape (n_tiers,)
        Groups counted from 0 without gaps, by leverage.

    Examples
    --------
    >>> group_of_tiers(np.array([2.0, 3, 5, 10, 20, 25, 50, 75, 100])).tolist()
    [0, 0, 0, 1, 2, 2, 3, 3, 3]
    """
    bounded = np.searchsorted(np.array(GROUP_BOUNDS), leverages)
    group: IntArray = np.unique(bounded, return_inverse=True)[1].astype(np.int64)
    return group


def _fit(
    columns: FloatArray,
    observed: TierObservations,
    has_move: bool,
    block_draws: BlockDraws | None = None,
) -> PoissonFit:
    """Return the factors of the groups, with the capture of each span applied."""
    capture = observed.capture[:, None]
    move = observed.move * np.sqrt(observed.open_interest_usd[:, None] * capture)
    return fit_poisson(
        columns * capture[..., None],
        observed.realised,
        move,
        has_move=has_move,
        has_constant=False,
        prior_rate_ratio=PRIOR_RATE_RATIO,
        block_draws=block_draws,
    )


def _weights_and_kappa(
    factors: FloatArray, is_low: BoolArray, prior_weights: FloatArray, anchor: float | None
) -> tuple[FloatArray, FloatArray]:
    """Return weights and kappa from factors, shape (..., n_tiers): without an anchor the weights
    above 5x keep their sum.
    """  # noqa: D205
    products = factors * prior_weights
    if anchor is not None:
        return products / anchor, np.full(products.shape[:-1], anchor)
    fitted = np.ones_like(is_low) if is_low.all() else ~is_low
    kappa: FloatArray = products[..., fitted].sum(axis=-1) / prior_weights[fitted].sum()
    return products / kappa[..., None], kappa


def _describe(
    fit: PoissonFit,
    normals: FloatArray,
    group: IntArray,
    is_low: BoolArray,
    prior_weights: FloatArray,
    anchor: float | None,
) -> TierFit:
    """Return the weights of the tiers from the factors of their groups."""
    weights, kappa = _weights_and_kappa(fit.weights[group], is_low, prior_weights, anchor)
    # A factor moves by its prior's share of the evidence where its prior alone moves.
    of_groups = fit.draws[:, :-2].astype(np.float64) * np.exp(
        PRIOR_LOG_SD * fit.prior_share[:-2] * normals
    )
    blocks = fit.block_count[:-2]
    draws, _ = _weights_and_kappa(of_groups[:, group], is_low, prior_weights, anchor)
    unknown = np.full(group.size, np.nan)
    log_sd = low = high = unknown
    if len(draws):
        log_sd = np.log(draws).std(axis=0)
        part = np.where(is_low | (anchor is not None), 0.0, weights)
        share = np.bincount(group, part, blocks.size) / max(part.sum(), 1e-300)
        blocks = _blocks_of_ratios(share, np.log(of_groups).std(axis=0), blocks)
        low, high = widened_interval(weights, log_sd, blocks[group])
    if anchor is None:
        weights = np.where(is_low, prior_weights, weights)
    is_identified = fit.is_identified[group] & ~is_low & (high <= WIDEST_FACTOR * weights)
    return TierFit(
        weights=weights,
        kappa=float(kappa),
        is_kappa_identified=anchor is not None and float(weights.sum()) <= 1.0,
        move_weight=fit.move_weight,
        group=group,
        log_sd=log_sd,
        low=low,
        high=high,
        blocks=blocks[group],
        is_identified=is_identified,
        parameter_status=tuple(
            ParameterStatus.WIDE
            if fit.parameter_status[one] is ParameterStatus.IDENTIFIED and not identified
            else fit.parameter_status[one]
            for one, identified in zip(group, is_identified, strict=True)
        ),
        draws=draws.astype(np.float32),
        runs=0,
        is_converged=False,
        status=fit.status,
    )


def _blocks_of_ratios(share: FloatArray, log_sd: FloatArray, blocks: FloatArray) -> FloatArray:
    """Return effective blocks of factors over their weighted mean, shape (n_groups,).

    To first order ln ratio_g = sum_h (1[g = h] - share_h) ln factor_h; its degrees of freedom are
    those of Welch and Satterthwaite.
    """
    variance = ((np.eye(share.size) - share) * log_sd) ** 2
    below = (variance**2 / np.maximum(blocks - 1.0, 1e-9)).sum(axis=1)
    ratios: FloatArray = 1.0 + variance.sum(axis=1) ** 2 / np.where(below > 0.0, below, np.inf)
    return ratios


def _merge(consumed: FloatArray, group: IntArray) -> FloatArray:
    """Return what each group consumed, groups last."""
    columns = np.zeros((*consumed.shape[:2], int(group[-1]) + 1))
    for tier, one in enumerate(group):
        columns[..., one] += consumed[..., tier]
    return columns


def _check(leverages: FloatArray, prior_weights: FloatArray, anchor: float | None) -> None:
    """Refuse a ladder or an anchor that means nothing."""
    if leverages.ndim != 1 or len(leverages) == 0 or prior_weights.shape != leverages.shape:
        raise InvalidInput(
            f"leverages and prior_weights have shapes {leverages.shape} and "
            f"{prior_weights.shape}, expected (n_tiers,) for both"
        )
    if np.any(np.diff(leverages) <= 0.0):
        raise InvalidParameters("leverages do not increase")
    if not (prior_weights > 0.0).all():
        raise InvalidParameters("a prior weight is not above 0; leave the tier out instead")
    if anchor is not None and not anchor > 0.0:
        raise InvalidParameters(f"anchor is {anchor}; expected above 0")


def _without_figures(group: IntArray, runs: int, status: FitStatus) -> TierFit:
    """Return a fit that says why it has no figures."""
    unknown = np.full(group.size, np.nan)
    return TierFit(
        weights=unknown,
        kappa=np.nan,
        is_kappa_identified=False,
        move_weight=np.nan,
        group=group,
        log_sd=unknown,
        low=unknown,
        high=unknown,
        blocks=unknown,
        is_identified=np.zeros(group.size, dtype=np.bool_),
        parameter_status=(ParameterStatus.LEFT_OUT,) * group.size,
        draws=np.empty((0, group.size), dtype=np.float32),
        runs=runs,
        is_converged=False,
        status=status,
    )
