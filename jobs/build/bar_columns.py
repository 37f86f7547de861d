"""Bars of one instrument as columns, in order of time."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BarColumns:
    """Bars of one instrument as the warehouse has them, in order of time.

    Parameters
    ----------
    start, end : ndarray of int64, shape (n_bars,)
        Open and end of each bar [microseconds].
    prices : ndarray of float64, shape (6, n_bars)
        open, high, low, close, mark high, mark low; NaN where no mark is known.
    volume, taker_buy, open_interest : ndarray of float64, shape (n_bars,)
        As in ``transforms.series.Bars``; NaN where not observed.
    """

    start: IntArray
    end: IntArray
    prices: FloatArray
    volume: FloatArray
    taker_buy: FloatArray
    open_interest: FloatArray

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.start)

    def part(self, start: int, stop: int) -> "BarColumns":
        """Return the bars from `start` up to but not including `stop`."""
        return BarColumns(*(getattr(self, one.name)[..., start:stop] for one in fields(self)))

    def followed_by(self, later: "BarColumns") -> "BarColumns":
        """Return these bars and later ones."""
        return BarColumns(
            *(
                np.concatenate((getattr(self, one.name), getattr(later, one.name)), axis=-1)
                for one in fields(self)
            )
        )


_NO_FLOATS = np.zeros(0)
_NO_INSTANTS = np.zeros(0, dtype=np.int64)

EMPTY_BARS = BarColumns(
    _NO_INSTANTS, _NO_INSTANTS, np.zeros((6, 0)), _NO_FLOATS, _NO_FLOATS, _NO_FLOATS
)
"""Bars of an instrument that has none."""
