"""How sure a fitted map is: quantiles by bin over draws of what was fitted.

Belongs here: draws of the weights and of the capture, and the quantiles of maps that follow.
Does not belong here: fitting (``transforms.calibration``), the recursion (``transforms.ledger``).

A map is linear in the weights of its rows, so a draw of the weights needs no replay: what each row
holds in each bin, times the weights of every draw, times the capture of every draw, is one matrix
product an hour.
"""

from typing import Final

import numpy as np

from transforms.calibration.capture import silence_in_windows, trailing_capture, window_sums
from transforms.errors import InvalidInput
from transforms.ledger.ledger_fit import LedgerFit
from transforms.series import DAY_MICROSECONDS, Float32Array, FloatArray, IntArray

N_DRAWS: Final = 200
"""Draws behind a quantile; the 10th percentile of 200 is known to about two percentiles."""

QUANTILES: Final = (0.1, 0.5, 0.9)
"""Quantiles that are published."""

CAPTURE_DAYS: Final = 7
"""Days whose ratios are resampled for the spread of the capture: those it is taken over."""

UNIDENTIFIED_LOG_SD: Final = 1.0
"""Spread of ln given to a weight that is not identified [1], where a fit keeps no draws: a factor
of 2.7 either way. Chosen; that of the exponential prior is 1.28."""

_SEED: Final = 11
"""Draws of a fit and of a week are the same in every run, however the work is cut up."""

_BLOCK_BINS: Final = 24
"""Bins multiplied at once at most: larger products are spread over threads, which wait for one
another longer than they work (4 to 8 ms of processor an hour's map instead of .2)."""


def draw_weights(fit: LedgerFit, n_draws: int = N_DRAWS) -> Float32Array:
    """Return draws of the weights of a fit's rows.

    A fit that keeps the draws of its bootstrap has those. Of another only the spread of each
    parameter is known: each row is drawn for itself from a gamma distribution with the fitted
    weight as its mean.

    Parameters
    ----------
    fit : LedgerFit
        Fit of one ledger.
    n_draws : int
        Draws; those that a fit keeps are repeated, or cut, to so many.

    Returns
    -------
    ndarray of float32, shape (n_draws, n_rows)
        Weights [USD per unit of exposure].

    Examples
    --------
    >>> fit = LedgerFit(
    ...     provider="path_ledger", structure_hash="s", source="BTC", weights=np.array([2.0, 0.0]),
    ...     move_weight=5.0, constant=1.0, floor=0.1, log_sd=np.full(4, 0.1), volume_usd=10.0,
    ...     fitted_from=0, fitted_until=86_400_000_000, valid_from=86_400_000_000, hour_count=24,
    ...     is_pooled=False, is_shipped=False,
    ... )
    >>> draws = draw_weights(fit, 1000)
    >>> draws.shape, draws.mean(axis=0).round(1).tolist()
    ((1000, 2), [2.0, 0.0])
    """
    n_rows = len(fit.weights)
    if len(fit.draws):
        return np.ascontiguousarray(fit.draws[np.arange(n_draws) % len(fit.draws), :n_rows])
    generator = np.random.default_rng(_SEED)
    spread = np.minimum(fit.log_sd[:n_rows], UNIDENTIFIED_LOG_SD)
    # The variance of ln of a gamma variable is about 1 / (shape - 1/2).
    shape = 0.5 + 1.0 / np.maximum(spread, 1e-3) ** 2
    drawn = generator.gamma(shape, size=(n_draws, n_rows)) / shape
    return np.asarray(drawn * fit.weights, dtype=np.float32)


def draw_capture(
    realised: FloatArray,
    predicted: FloatArray,
    span_end: IntArray,
    n_draws: int = N_DRAWS,
) -> Float32Array:
    """Return draws of the capture before each span, whole days resampled.

    Parameters
    ----------
    realised, predicted : ndarray of float64, shape (n_spans, 2)
        As in `trailing_capture`, over the same days before each span [USD].
    span_end : ndarray of int64, shape (n_spans,)
        End of each span [microseconds, UTC], increasing.
    n_draws : int
        Draws.

    Returns
    -------
    ndarray of float32, shape (n_spans, n_draws)
        Capture [ratio]; 1 where the capture itself is not known, as in the map.

    Examples
    --------
    >>> ends = np.arange(1, 201) * 3_600_000_000
    >>> draws = draw_capture(np.ones((200, 2)), np.full((200, 2), 2.0), ends)
    >>> draws.shape, draws[0].min(), draws[199].min(), draws[199].max()
    ((200, 200), np.float32(1.0), np.float32(0.5), np.float32(0.5))
    """
    capture = trailing_capture(realised, predicted, span_end=span_end)
    is_counted = np.asarray(np.isfinite(realised + predicted).all(axis=1), dtype=np.bool_)
    edges = np.stack(
        [
            np.searchsorted(span_end, span_end - days * DAY_MICROSECONDS)
            for days in range(CAPTURE_DAYS, 0, -1)
        ]
        + [np.arange(len(span_end))],
        axis=1,
    )
    by_day = np.stack(
        [
            _daily_sums(np.where(is_counted, amount.sum(axis=1), 0.0), edges)
            for amount in (realised, predicted)
        ]
    )
    for span, silent in silence_in_windows(realised, edges[:, 0], edges[:, -1]).items():
        own = slice(edges[span, 0], edges[span, -1])
        amount = np.where(is_counted[own] & ~silent, predicted[own].sum(axis=1), 0.0)
        by_day[1, span] = _daily_sums(amount, edges[span : span + 1] - edges[span, 0])
    generator = np.random.default_rng(_SEED)
    repeats = generator.multinomial(CAPTURE_DAYS, np.full(CAPTURE_DAYS, 1 / CAPTURE_DAYS), n_draws)
    above, below = np.einsum("ksd,nd->ksn", by_day, repeats)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = above / below
    known = np.where(np.isfinite(capture), capture, 1.0)[:, None]
    # A draw of days in which nothing was predicted says nothing: it keeps the capture itself.
    is_drawn = np.isfinite(capture)[:, None] & (below > 0.0)
    return np.where(is_drawn, drawn, known).astype(np.float32)


def _daily_sums(values: FloatArray, edges: IntArray) -> FloatArray:
    """Return sums of values between the edges of each span's days, shape (n_spans, n_days)."""
    start, stop = edges[:, :-1], edges[:, 1:]
    return window_sums(values, start.ravel(), stop.ravel()).reshape(start.shape)


def quantile_maps(
    standing: Float32Array, weights: Float32Array, capture: Float32Array
) -> Float32Array:
    """Return quantiles of maps over draws of weights and capture.

    Parameters
    ----------
    standing : ndarray of float32, shape (n_maps, n_sides, n_bins, n_rows)
        What each row holds in each bin [deposit units].
    weights : ndarray of float32, shape (n_draws, n_rows)
        Draws of the weights [USD per deposit unit].
    capture : ndarray of float32, shape (n_maps, n_draws)
        Draws of the capture [ratio].

    Returns
    -------
    ndarray of float32, shape (n_maps, 3, n_sides, n_bins)
        USD by bin at each of ``QUANTILES``, each bin by itself.

    Raises
    ------
    InvalidInput
        If the shapes do not fit together.

    Examples
    --------
    >>> standing = np.ones((1, 1, 2, 1), dtype=np.float32)
    >>> weights = np.arange(1, 12, dtype=np.float32)[:, None]
    >>> quantile_maps(standing, weights, np.ones((1, 11), dtype=np.float32))[0, :, 0, 0].tolist()
    [2.0, 6.0, 10.0]
    """
    n_maps, n_sides, n_bins, n_rows = standing.shape
    n_draws = len(weights)
    if weights.shape != (n_draws, n_rows) or capture.shape != (n_maps, n_draws) or n_draws == 0:
        raise InvalidInput(
            f"standing has shape {standing.shape}, weights {weights.shape}, capture "
            f"{capture.shape}: expected (n_draws, {n_rows}) and ({n_maps}, n_draws)"
        )
    rank = [round(quantile * (n_draws - 1)) for quantile in QUANTILES]
    quantiles = np.empty((n_maps, len(QUANTILES), n_sides * n_bins), dtype=np.float32)
    n_held = n_sides * n_bins
    block = max(size for size in range(1, _BLOCK_BINS + 1) if n_held % size == 0)
    for number, held in enumerate(standing.reshape(n_maps, n_held // block, block, n_rows)):
        drawn = (held @ (weights.T * capture[number])).reshape(n_held, n_draws)
        # Sorting rows of float32 is vectorised in numpy, selecting ranks is not.
        drawn.sort(axis=1)
        quantiles[number] = drawn[:, rank].T
    return quantiles.reshape(n_maps, len(QUANTILES), n_sides, n_bins)
