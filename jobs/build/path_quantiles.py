"""Quantiles of a ledger's maps: its hours once more, row by row, weighted by every draw.

Belongs here: which hours, draws and bins. Does not belong here: drawing and sorting
(``transforms.uncertainty``).

The ledger is run a second time, since the capture of an hour follows from what was expected before
it, and what each row holds in each bin is too large to keep for more than a day. The recursion is
cheap; the draws are the cost. Quantiles cover the prices in which maps are compared.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from jobs.grouping import run_slices
from transforms.ledger import LedgerOutputs, LedgerParameters, LedgerState, advance
from transforms.ledger.ledger_fit import LedgerFit
from transforms.maps import N_WINDOW_BINS, window_first_bin
from transforms.series import Bars, BoolArray, Float32Array, IntArray
from transforms.uncertainty import QUANTILES, draw_weights, quantile_maps

_HOURS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class FittedHours:
    """Hours whose maps get quantiles.

    Parameters
    ----------
    fits : tuple of LedgerFit
        The fits.
    number : ndarray of int64, shape (n_hours,)
        Index of the fit of each hour; -1 where there is none.
    is_kept : ndarray of bool, shape (n_hours,)
        Whether the hour is returned.
    capture : ndarray of float32, shape (n_hours, n_draws)
        Draws of the capture [ratio].
    """

    fits: tuple[LedgerFit, ...]
    number: IntArray
    is_kept: BoolArray
    capture: Float32Array

    def part(self, some: slice) -> "FittedHours":
        """Return some of the hours."""
        return FittedHours(self.fits, self.number[some], self.is_kept[some], self.capture[some])


def ledger_quantiles(
    ledger: LedgerParameters,
    state: LedgerState | None,
    pieces: Iterable[tuple[slice, Bars, IntArray]],
    hours: FittedHours,
) -> Float32Array:
    """Return quantiles of the maps of the kept hours.

    Parameters
    ----------
    ledger : LedgerParameters
        The ledger.
    state : LedgerState or None
        Its state before the first hour.
    pieces : iterable of (slice, Bars, ndarray of int64)
        Consecutive hours, the bars that end in them, and the index of the last bar by each hour,
        -1 before the first.
    hours : FittedHours
        All hours of the pieces.

    Returns
    -------
    ndarray of float32, shape (n_kept, 3, 2, n_bins)
        USD by bin at each of ``QUANTILES``, sides long and short; NaN in bins beyond the compared
        prices and in hours without a fit.
    """
    draws = {
        int(number): draw_weights(hours.fits[number])
        for number in np.unique(hours.number[hours.is_kept])
        if number >= 0
    }
    made: list[Float32Array] = []
    for own, bars, span_after in pieces:
        bar_start = 0
        for first in range(own.start, own.stop, _HOURS_AT_ONCE):
            some = slice(first, min(first + _HOURS_AT_ONCE, own.stop))
            after = span_after[some.start - own.start : some.stop - own.start]
            is_last = some.stop == own.stop
            bar_stop = len(bars) if is_last else max(int(after[-1]) + 1, bar_start)
            state, outputs = advance(
                ledger,
                bars.part(bar_start, bar_stop),
                np.maximum(after - bar_start, -1),
                state=state,
                wants_standing=bool(hours.is_kept[some].any()),
            )
            bar_start = bar_stop
            if len(outputs.standing):
                made.append(_quantiles(outputs, hours.part(some), draws))
    return np.concatenate(made) if made else np.empty((0, len(QUANTILES), 2, 0), dtype=np.float32)


def _quantiles(
    outputs: LedgerOutputs, hours: FittedHours, draws: Mapping[int, Float32Array]
) -> Float32Array:
    """Return the quantiles of the kept hours of some outputs with what each row holds."""
    kept = np.flatnonzero(hours.is_kept)
    standing = outputs.standing[kept]
    quantiles = np.full((len(kept), len(QUANTILES), *standing.shape[1:3]), np.nan, np.float32)
    offset = window_first_bin(outputs.close[kept]) - outputs.first_bin[kept]
    number = hours.number[kept]
    for rows in run_slices(number, offset):
        if number[rows.start] < 0:
            continue
        bins = slice(int(offset[rows.start]), int(offset[rows.start]) + N_WINDOW_BINS)
        quantiles[rows, :, :, bins] = quantile_maps(
            np.ascontiguousarray(standing[rows, :, bins]),
            draws[int(number[rows.start])],
            hours.capture[kept[rows]],
        )
    return quantiles
