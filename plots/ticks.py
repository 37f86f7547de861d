"""Round figures on the axes of pictures."""

import numpy as np


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return round figures from low up to and with high, about as many as wanted.

    Examples
    --------
    >>> round_ticks(-0.1, 0.42, 4)
    [0.0, 0.2, 0.4]
    """
    step = (high - low) / count
    size = 10.0 ** np.floor(np.log10(step))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= step)
    first = np.ceil(low / step - 1e-9) * step
    return [float(tick) + 0.0 for tick in np.arange(first, high + 1e-9 * step, step)]


def price_ticks(low: float, high: float) -> list[float]:
    """Return round prices, about ten of them, between two prices."""
    return [tick for tick in round_ticks(low, high, 10) if tick < high]


def length_ticks(longest: float) -> list[float]:
    """Return 0 and two or three round lengths, none so near the end that its label sticks out."""
    if not longest > 0:
        return [0.0]
    step = price_ticks(0.0, 3.0 * longest)[1]
    return [float(tick) for tick in np.arange(0.0, 0.85 * longest, step)]
