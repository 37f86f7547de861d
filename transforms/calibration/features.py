"""What the path of price gives a forecast, one array a feature.

Belongs here: features that any caller can compute from bars. Does not belong here: the ledger's
exposures, the fits that use the features, and logs or clipping.

Everything is causal: the path of the span itself is allowed, nothing after it is. Rows are spans
of one asset in order of time without gaps: a missing span is a row of NaN. NaN in a feature's own
span gives NaN; in a window before it, the span is left out, and where too few are left the feature
is NaN. Nothing is filled.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import FloatArray

LEAST_KNOWN_RATIO: Final = 0.25
"""Part of a window that has to be known [ratio]: less would be another window."""


def move_of(previous_close: FloatArray, high: FloatArray, low: FloatArray) -> FloatArray:
    """Return how far price went against each side within a span, from the close before it.

    Parameters
    ----------
    previous_close, high, low : ndarray of float64, shape (n_spans,)
        Prices [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        ``max(0, ln(previous close / low))`` for longs, ``max(0, ln(high / previous close))`` for
        shorts [ln].

    Examples
    --------
    >>> one = np.ones(1)
    >>> move_of(100 * one, 102 * one, 99 * one).round(4).tolist()
    [[0.0101, 0.0198]]
    """
    return _beyond(previous_close, previous_close, high, low)


def drawdown_of(
    open_price: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> FloatArray:
    """Return how far price went against each side within a span, wherever it began.

    A bar does not say which extreme came first. As usual for candles, one that closes above its
    open is taken to have gone open, low, high, close; one that closes below open, high, low, close.
    One that closes where it opened is given the shorter of both ways for each side.

    Parameters
    ----------
    open_price, high, low, close : ndarray of float64, shape (n_spans,)
        Prices [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        Largest fall along that path for longs, largest rise for shorts [ln].

    Examples
    --------
    It falls by 1 %, rises to 3 % above its low, and falls by a little:

    >>> prices = [np.array([one]) for one in (100.0, 101.97, 99.0, 101.5)]
    >>> drawdown_of(*prices).round(4).tolist()
    [[0.0101, 0.0296]]
    """
    begin, top, bottom, end = (np.log(price) for price in (open_price, high, low, close))
    falls = np.where(end < begin, top - bottom, np.maximum(begin - bottom, top - end))
    rises = np.where(end > begin, top - bottom, np.maximum(top - begin, end - bottom))
    return np.column_stack([falls, rises])


def adverse_move(
    previous_close: FloatArray,
    open_price: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
) -> FloatArray:
    """Return how far price went against positions opened before or within a span.

    Parameters
    ----------
    previous_close, open_price, high, low, close : ndarray of float64, shape (n_spans,)
        Prices [USD per unit of the asset]. NaN: not known.

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        Square root of move^2 + drawdown^2, see `move_of` and `drawdown_of` [ln]: the move alone
        misses what opened within the span and was liquidated in it.

    Examples
    --------
    >>> prices = [np.array([one]) for one in (100.0, 100.0, 100.0, 99.0, 99.0)]
    >>> adverse_move(*prices).round(4).tolist()
    [[0.0142, 0.0]]
    """
    move = move_of(previous_close, high, low)
    drawdown = drawdown_of(open_price, high, low, close)
    adverse: FloatArray = np.hypot(move, drawdown)
    return adverse


def extension(
    high: FloatArray, low: FloatArray, window_hours: float, *, span_hours: float = 1.0
) -> FloatArray:
    """Return how far a span went beyond the extremes of the time before it, by side.

    Parameters
    ----------
    high, low : ndarray of float64, shape (n_spans,)
        Extremes of each span [USD per unit of the asset]. NaN: not known.
    window_hours : float
        Length of the window before the span, a whole number of spans [h].
    span_hours : float
        Length of a span [h].

    Returns
    -------
    ndarray of float64, shape (n_spans, 2)
        ``max(0, ln(lowest low before / low))`` for longs, ``max(0, ln(high / highest high
        before))`` for shorts [ln]. NaN where the span's own extreme is, or where less than
        `LEAST_KNOWN_RATIO` of the window is known.

    Raises
    ------
    InvalidInput
        If shapes differ.
    InvalidParameters
        If the window is not a whole number of spans.

    Examples
    --------
    >>> high, low = np.array([102.0, 103.0, 101.0]), np.array([99.0, 100.0, 98.0])
    >>> extension(high, low, 2).round(4).tolist()
    [[nan, nan], [0.0, 0.0098], [0.0102, 0.0]]
    """
    n_window = _spans(window_hours, span_hours)
    if high.shape != low.shape or high.ndim != 1:
        raise InvalidInput(f"high and low have shapes {high.shape} and {low.shape}, not one axis")
    lowest = -_highest_before(-low, n_window)
    return _beyond(lowest, _highest_before(high, n_window), high, low)


def _spans(window_hours: float, span_hours: float) -> int:
    """Return how many spans a window holds."""
    n_spans = round(window_hours / span_hours)
    if n_spans < 1 or abs(n_spans * span_hours - window_hours) > 1e-9:
        raise InvalidParameters(
            f"a window of {window_hours} h is no whole number of spans of {span_hours} h"
        )
    return n_spans


def _highest_before(values: FloatArray, n_window: int) -> FloatArray:
    """Return the highest known value of the window before each; NaN where too few are known."""
    padded = np.concatenate([np.full(n_window, np.nan), values])
    windows = sliding_window_view(padded, n_window)[:-1]
    highest = np.fmax.reduce(windows, axis=-1)
    known = np.isfinite(windows).sum(axis=-1)
    return np.where(known >= LEAST_KNOWN_RATIO * n_window, highest, np.nan)


def _beyond(
    lowest: FloatArray, highest: FloatArray, high: FloatArray, low: FloatArray
) -> FloatArray:
    """Return how far the low is below one price and the high above another, by side [ln]."""
    against = np.column_stack([np.log(lowest / low), np.log(high / highest)])
    beyond: FloatArray = np.maximum(against, 0.0)
    return beyond
