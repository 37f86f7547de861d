"""What a ledger gives for each span: what was consumed in it, and the map at its end.

Belongs here: ``LedgerOutputs`` and its empty arrays. Does not belong here: how they are filled
(``kernel``).
"""

from typing import NamedTuple

import numpy as np

from transforms.grid import N_PUBLISHED_BINS
from transforms.series import Float32Array, FloatArray, IntArray


class LedgerOutputs(NamedTuple):
    """What each span consumed, and what is held at its end.

    Deposit units are 1 a bar for ``path``, USD per unit of log price for ``volume``.

    Parameters
    ----------
    close : ndarray of float64, shape (n_spans,)
        Last close [USD per unit of the asset]; the price the map is centred on.
    first_bin : ndarray of int64, shape (n_spans,)
        Bin index of ``map[..., 0]``.
    n_bins : ndarray of int64, shape (n_spans,)
        Published bins, 500 or 501; entries of ``map`` behind them are 0 and no bins.
    exposure : ndarray of float64, shape (n_spans, 2, n_rows)
        Consumed in the span, by side and row [deposit units]. What price passed while bars were
        missing just before the span is gone and counted nowhere.
    move : ndarray of float64, shape (n_spans, 2)
        How far the last price went against the side, see ``calibration.features.adverse_move``:
        the root of move^2 + drawdown^2, of the move beyond the close before the span and of the
        drawdown along the candles of its bars [ln]. Where bars are missing just before the span
        the move counts from the open. 0 in the first span of a series and without bars.
    log_age : ndarray of float64, shape (n_spans, 2)
        Mean ln(hours since deposit) of what was consumed, weighted by its amount in the slowest
        half-life; deposits on one node at one distance count with their mean age. NaN where
        nothing was consumed.
    map : ndarray of float32, shape (n_spans, 2, 501)
        What is held at the end of the span by published bin, rows weighted [unit of weights x
        deposit units]; 0 without weights.
    standing : ndarray of float32, shape (n_spans, 2, 501, n_rows)
        The same by row, without weights [deposit units]; no spans where not wanted.
    beyond : ndarray of float64, shape (n_spans, 2)
        Weighted sum outside the published bins [as map]; 0 without weights.
    bar_count : ndarray of int64, shape (n_spans,)
        Bars in the span.
    """

    close: FloatArray
    first_bin: IntArray
    n_bins: IntArray
    exposure: FloatArray
    move: FloatArray
    log_age: FloatArray
    map: Float32Array
    standing: Float32Array
    beyond: FloatArray
    bar_count: IntArray


def empty_outputs(n_spans: int, n_rows: int, *, wants_standing: bool = False) -> LedgerOutputs:
    """Return outputs of some spans, all 0.

    Parameters
    ----------
    n_spans, n_rows : int
        Lengths of the axes.
    wants_standing : bool
        Whether ``standing`` has room; it takes 257 kB a span.

    Returns
    -------
    LedgerOutputs
        To be filled.

    Examples
    --------
    >>> empty_outputs(3, 64).exposure.shape
    (3, 2, 64)
    """
    bins = (n_spans, 2, N_PUBLISHED_BINS)
    return LedgerOutputs(
        close=np.zeros(n_spans),
        first_bin=np.zeros(n_spans, dtype=np.int64),
        n_bins=np.zeros(n_spans, dtype=np.int64),
        exposure=np.zeros((n_spans, 2, n_rows)),
        move=np.zeros((n_spans, 2)),
        log_age=np.zeros((n_spans, 2)),
        map=np.zeros(bins, dtype=np.float32),
        standing=np.zeros((n_spans if wants_standing else 0, *bins[1:], n_rows), dtype=np.float32),
        beyond=np.zeros((n_spans, 2)),
        bar_count=np.zeros(n_spans, dtype=np.int64),
    )
