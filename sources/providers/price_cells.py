"""Price axes and price cells of maps.

Belongs here: arithmetic on levels of price. Does not belong here: how an answer spells them.
"""

import numpy as np
import numpy.typing as npt

from sources.providers.answer_values import Floats


def cells_between(levels: Floats) -> tuple[Floats, Floats]:
    """Return the cells of ascending price levels: each reaches half-way to its neighbours.

    The outermost cells are as wide outwards as inwards. A single level is a point.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        Strictly ascending, positive [USD per unit].

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (n,)
        Edges [USD per unit]; positive.

    Examples
    --------
    >>> low, high = cells_between(np.array([100.0, 110.0, 130.0]))
    >>> low.tolist(), high.tolist()
    ([95.0, 105.0, 120.0], [105.0, 120.0, 140.0])
    """
    if len(levels) == 1:
        return levels.copy(), levels.copy()
    between = (levels[1:] + levels[:-1]) / 2
    lowest = levels[0] - (levels[1] - levels[0]) / 2
    highest = levels[-1] + (levels[-1] - levels[-2]) / 2
    # A grid that starts near zero would reach below it.
    first = lowest if lowest > 0 else levels[0]
    return np.concatenate(([first], between)), np.concatenate((between, [highest]))


def cells_on_ladder(levels: Floats) -> tuple[Floats, Floats]:
    """Return the cells of a ladder with gaps: half a step to either side of each level.

    The step is the smallest gap, if all gaps are multiples of it; else the levels are points,
    because the gap to the next one does not show how far a level reaches.

    Parameters
    ----------
    levels : ndarray of float64, shape (n,)
        As for `cells_between`.

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (n,)
        Edges [USD per unit]; equal where the levels are points.

    Examples
    --------
    >>> low, high = cells_on_ladder(np.array([100.0, 102.0, 108.0]))
    >>> low.tolist(), high.tolist()
    ([99.0, 101.0, 107.0], [101.0, 103.0, 109.0])
    """
    gaps = np.diff(levels)
    if len(gaps) == 0:
        return levels.copy(), levels.copy()
    step = float(gaps.min())
    steps = gaps / step
    is_ladder = bool(np.all(np.abs(steps - np.round(steps)) < 1e-3 * np.maximum(steps, 1)))
    half = step / 2 if is_ladder and step / 2 < levels[0] else 0.0
    return levels - half, levels + half


def cells_at(prices: Floats) -> tuple[Floats, Floats]:
    """Return the cells of prices in any order, repeated or not, on the ladder they make.

    Parameters
    ----------
    prices : ndarray of float64, shape (n,)
        Positive [USD per unit].

    Returns
    -------
    price_low, price_high : ndarray of float64, shape (n,)
        As `cells_on_ladder` returns them.
    """
    levels, of_level = np.unique(prices, return_inverse=True)
    price_low, price_high = cells_on_ladder(levels)
    return price_low[of_level], price_high[of_level]


def split_sides(prices: Floats, reference_price: float) -> npt.NDArray[np.str_]:
    """Return ``long`` below the price, ``short`` above it, ``unknown`` at it, shape (n,).

    Price must fall to reach a long's liquidation and rise to reach a short's.
    """
    return np.where(
        prices < reference_price,
        "long",
        np.where(prices > reference_price, "short", "unknown"),
    )
