"""Mark prices by coin: the newest, and the range of the last day.

Belongs here: arrays over coins. Does not belong here: where prices come from.
"""

import math

import numpy as np
from numpy.typing import NDArray

_STEP = 5 * 60 * 1_000_000
_STEPS = 26 * 12 + 1
# Lows and highs are kept in single precision.
_LARGEST_PRICE = 1e30


class MarkBoard:
    """The newest mark price of each coin, and its lowest and highest in steps of five minutes."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._newest = np.full(64, math.nan)
        self._lows = np.full((64, _STEPS), math.inf, dtype=np.float32)
        self._highs = np.full((64, _STEPS), -math.inf, dtype=np.float32)
        self._last_step = 0

    def coin_id(self, coin: str) -> int:
        """Return the number of a coin, the index of its prices."""
        number = self._ids.get(coin)
        if number is None:
            number = self._ids[coin] = len(self._ids)
            if number == len(self._newest):
                self._newest = np.concatenate((self._newest, np.full(number, math.nan)))
                empty = np.full((number, _STEPS), math.inf, dtype=np.float32)
                self._lows = np.concatenate((self._lows, empty))
                self._highs = np.concatenate((self._highs, -empty))
        return number

    @property
    def newest(self) -> NDArray[np.float64]:
        """Newest price by number of the coin [USD per asset unit]; NaN where none is known."""
        return self._newest

    def newest_of(self, coin: str) -> float:
        """Return the newest price of a coin [USD per asset unit]; NaN where none is known.

        It numbers no coin, so that any thread may call it.
        """
        number = self._ids.get(coin)
        return math.nan if number is None else float(self._newest[number])

    def put(self, coin: str, price: float, at: int, *, is_newest: bool = True) -> None:
        """Note a price.

        Parameters
        ----------
        coin : str
            As the venue spells it.
        price : float
            [USD per asset unit]; one that is no positive number, or nonsense, is left out.
        at : int
            When [microseconds since 1970].
        is_newest : bool
            Whether it is current; a trade sent again on subscribing is not.
        """
        if not 0.0 < price < _LARGEST_PRICE:
            return
        number, step = self.coin_id(coin), at // _STEP
        if step > self._last_step:
            self._forget(step)
        if is_newest or math.isnan(self._newest[number]):
            self._newest[number] = price
        slot = step % _STEPS
        if step > self._last_step - _STEPS:
            self._lows[number, slot] = min(self._lows[number, slot], price)
            self._highs[number, slot] = max(self._highs[number, slot], price)

    def _forget(self, step: int) -> None:
        """Clear what the steps up to a new one held a day before."""
        first = max(self._last_step + 1, step - _STEPS + 1)
        slots = np.arange(first, step + 1) % _STEPS
        self._lows[:, slots], self._highs[:, slots] = math.inf, -math.inf
        self._last_step = step

    def extent(self, coin: str, since: int, until: int) -> tuple[float, float]:
        """Return the lowest and the highest price between two instants, to five minutes.

        Infinite the other way round (inf, -inf) where no price is known.

        Examples
        --------
        >>> board = MarkBoard()
        >>> for minute, price in enumerate([100.0, 90.0, 110.0]):
        ...     board.put("BTC", price, (1_000_000 + 10 * minute) * 60_000_000)
        >>> board.extent("BTC", 1_000_009 * 60_000_000, 1_000_030 * 60_000_000)
        (90.0, 110.0)
        >>> board.extent("ETH", 0, 1)
        (inf, -inf)
        """
        number = self._ids.get(coin)
        if number is None:
            return math.inf, -math.inf
        first = max(since // _STEP, self._last_step - _STEPS + 1)
        steps = np.arange(first, min(until // _STEP, self._last_step) + 1) % _STEPS
        if not steps.size:
            return math.inf, -math.inf
        return float(self._lows[number, steps].min()), float(self._highs[number, steps].max())
