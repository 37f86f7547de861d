"""Round figures on the axes of pictures."""

import numpy as np


def price_ticks(low: float, high: float) -> list[float]:
    """Return round prices, about ten of them, between two prices."""
    step = (high - low) / 10
    size = 10.0 ** np.floor(np.log10(step))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= step)
    return [float(tick) for tick in np.arange(np.ceil(low / step) * step, high, step)]


def length_ticks(longest: float) -> list[float]:
    """Return 0 and two or three round lengths, none so near the end that its label sticks out."""
    if not longest > 0:
        return [0.0]
    step = price_ticks(0.0, 3.0 * longest)[1]
    return [float(tick) for tick in np.arange(0.0, 0.85 * longest, step)]
