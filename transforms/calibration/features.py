"""What the path of price and the past give a forecast, one array a feature.

Belongs here: features that any caller can compute from bars and realised amounts. Does not belong
here: the ledger's exposures, the fits that use the features, and logs or clipping.

Everything is causal: the path of the span itself is allowed, nothing after it is. Rows are spans
of one asset in order of time without gaps: a missing span is a row of NaN. NaN in a feature's own
span gives NaN; in a window before it, the span is left out, and where too few are left the feature
is NaN. Nothing is filled.
"""

from typing import Final

import numpy as np

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


def _beyond(
    lowest: FloatArray, highest: FloatArray, high: FloatArray, low: FloatArray
) -> FloatArray:
    """Return how far the low is below one price and the high above another, by side [ln]."""
    against = np.column_stack([np.log(lowest / low), np.log(high / highest)])
    return np.where(against > 0.0, against, against * 0.0)
