"""The share of what a model predicts that its feeds show, over the time just before.

Belongs here: the trailing ratio of realised to predicted USD. Does not belong here: what to do
where it is not known; callers decide.

Venues throttle their feeds and change what they publish, and traders change their leverage. A
factor over the last week follows both and leaves the shape of a model alone. Three days or more
without a liquidation look like a feed that is down and are left out.
"""

from typing import Final

import numpy as np

from transforms.errors import InvalidInput, InvalidParameters
from transforms.series import BoolArray, FloatArray, IntArray

HOUR_MICROSECONDS: Final = 3_600_000_000

SILENT_SPANS: Final = 72
"""Spans in a row without a liquidation from which they are left out [hours]."""


def trailing_capture(
    realised: FloatArray,
    predicted: FloatArray,
    hours: int = 168,
    least_hours: int = 24,
    *,
    is_usable: BoolArray | None = None,
    span_end: IntArray | None = None,
) -> FloatArray:
    """Return realised / predicted over the hours strictly before each span, both sides together.

    A span counts where both of its sides have a realised and a predicted figure and it is usable,
    unless it is one of ``SILENT_SPANS`` or more in a row in the window without a liquidation.
    What a span gets depends on the spans in its own window alone, wherever the arrays begin.

    Parameters
    ----------
    realised, predicted : ndarray of float64, shape (n_spans, 2)
        Liquidations of each span [USD], finite and at least 0. NaN: not known; the span is left
        out.
    hours : int
        Length of the window [h].
    least_hours : int
        Spans that have to count.
    is_usable : ndarray of bool, shape (n_spans,), optional
        Whether the span may count: its feeds are of the scope that is predicted, and it carries no
        flag. Default: all.
    span_end : ndarray of int64, shape (n_spans,), optional
        End of each span [microseconds, UTC], increasing. Default: spans are consecutive hours.

    Returns
    -------
    ndarray of float64, shape (n_spans,)
        Capture [ratio]. NaN where fewer spans count than are needed, where nothing was predicted
        in the window, or where nothing was realised in it: that looks like a feed that is down.

    Raises
    ------
    InvalidInput
        If shapes differ, an amount is negative or infinite, or ends do not increase.
    InvalidParameters
        If a number of hours is below 1.

    Examples
    --------
    >>> realised = np.array([[1.0, 1.0], [2.0, 0.0], [np.nan, 1.0], [9.0, 9.0]])
    >>> trailing_capture(realised, np.full((4, 2), 4.0), hours=2, least_hours=1).tolist()
    [nan, 0.25, 0.25, 0.25]
    """
    _check(realised, predicted, hours, least_hours)
    n_spans = len(realised)
    is_counted = np.asarray(np.isfinite(realised + predicted).all(axis=1), dtype=np.bool_)
    if is_usable is not None:
        is_counted &= is_usable
    stop = np.arange(n_spans)
    if span_end is None:
        start = np.maximum(stop - hours, 0)
    else:
        if np.any(np.diff(span_end) <= 0):
            raise InvalidInput("span_end does not increase; sort the spans and drop repeated ones")
        start = np.searchsorted(span_end, span_end - hours * HOUR_MICROSECONDS)
    counted, above, below = (
        window_sums(np.where(is_counted, amount, 0.0), start, stop)
        for amount in (np.ones(n_spans), realised @ np.ones(2), predicted @ np.ones(2))
    )
    for window, silent in silence_in_windows(realised, start, stop).items():
        own = slice(start[window], stop[window])
        is_left = is_counted[own] & ~silent
        counted[window] = np.count_nonzero(is_left)
        below[window] = np.where(is_left, predicted[own] @ np.ones(2), 0.0).sum()
    is_known = (counted >= least_hours) & (above > 0.0) & (below > 0.0)
    capture: FloatArray = np.divide(above, below, where=is_known, out=np.full(n_spans, np.nan))
    return capture


def silent_spans(realised: FloatArray) -> BoolArray:
    """Return the spans in runs of ``SILENT_SPANS`` or more in which nothing is published.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_spans, 2)
        Liquidations of consecutive spans [USD]; NaN counts as nothing.

    Returns
    -------
    ndarray of bool, shape (n_spans,)

    Examples
    --------
    >>> silent_spans(np.zeros((72, 2))).all(), silent_spans(np.zeros((71, 2))).any()
    (np.True_, np.False_)
    """
    silent = np.zeros(len(realised), dtype=np.bool_)
    for start, stop in _silent_runs(realised):
        silent[start:stop] = True
    return silent


def silence_in_windows(
    realised: FloatArray, start: IntArray, stop: IntArray
) -> dict[int, BoolArray]:
    """Return which spans of a window are silent, by number of the windows that have such spans.

    Only what is in a window decides about it, so that no capture rests on what came later.

    Parameters
    ----------
    realised : ndarray of float64, shape (n_spans, 2)
        Liquidations of consecutive spans [USD]; NaN counts as nothing.
    start, stop : ndarray of int64, shape (n_windows,)
        Each window has the spans from `start` up to but not including `stop`.

    Examples
    --------
    >>> found = silence_in_windows(np.zeros((72, 2)), np.zeros(2, int), np.array([71, 72]))
    >>> [(window, len(silent)) for window, silent in found.items()]
    [(1, 72)]
    """
    has_silence = np.zeros(len(start), dtype=np.bool_)
    for first, last in _silent_runs(realised):
        has_silence |= np.minimum(stop, last) - np.maximum(start, first) >= SILENT_SPANS
    return {
        int(window): silent_spans(realised[start[window] : stop[window]])
        for window in np.flatnonzero(has_silence)
    }


def window_sums(values: FloatArray, start: IntArray, stop: IntArray) -> FloatArray:
    """Return the sum of the values in each window.

    Each window is summed by itself: differences of a running total would depend, in the last bits,
    on where the array begins.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Summands, finite [any unit].
    start, stop : ndarray of int64, shape (n_windows,)
        Each window has the values from `start` up to but not including `stop`.

    Returns
    -------
    ndarray of float64, shape (n_windows,)
        Sums [as the values]; 0 for a window without values.

    Examples
    --------
    >>> window_sums(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 3]), np.array([2, 3, 3])).tolist()
    [3.0, 6.0, 0.0]
    """
    if values.size == 0:
        return values.copy()
    edges = np.column_stack([start, stop]).ravel()
    sums: FloatArray = np.add.reduceat(np.append(values, 0.0), edges)[::2]
    return np.where(stop > start, sums, 0.0)


def _silent_runs(realised: FloatArray) -> list[tuple[int, int]]:
    """Return the runs of silent spans, each from its first up to but not including its end."""
    is_silent = ~np.any(realised > 0.0, axis=1)
    edges = np.flatnonzero(np.diff(is_silent, prepend=False, append=False)).reshape(-1, 2)
    return [(start, stop) for start, stop in edges.tolist() if stop - start >= SILENT_SPANS]


def _check(realised: FloatArray, predicted: FloatArray, hours: int, least_hours: int) -> None:
    """Refuse arrays and numbers that have no ratio."""
    if realised.ndim != 2 or realised.shape[1] != 2 or predicted.shape != realised.shape:
        raise InvalidInput(
            f"realised and predicted have shapes {realised.shape} and {predicted.shape}, "
            "expected (n_spans, 2) for both"
        )
    for name, amount in (("realised", realised), ("predicted", predicted)):
        if np.any((amount < 0.0) | np.isinf(amount)):
            raise InvalidInput(f"{name} is negative or infinite in a span; give NaN for unknown")
    if hours < 1 or least_hours < 1:
        raise InvalidParameters(f"hours is {hours}, least_hours {least_hours}; give 1 or more")
