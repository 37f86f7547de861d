"""The index price and the activity of every asset, minute by minute.

Belongs here: price moves, volatility, jumps, trends, the hours of the day.
Does not belong here: a venue's own price, which `book` puts around the index.

Every asset follows the common market factor and one of its own. A factor F, in units of daily
volatility, is a random walk whose variance clusters (its logarithm reverts to a mean, as in
Taylor's stochastic volatility model, 1982), with trends that last hours, jumps that play out over
some ten minutes and raise volatility, and a weak pull to zero.
"""

from math import cos, exp, log, pi, sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sources.simulated.parameters import MarketParameters, SimulatedAsset

FloatArray = NDArray[np.float64]

MINUTES_PER_DAY = 1440
BUSIEST_HOUR_UTC = 14.5  # the opening of trading in New York
JUMP_RELEASE_RATIO = 0.12  # share of an open jump that plays out each minute
JUMP_VOLATILITY_STEP = 0.5  # rise of log volatility that a jump brings

VALUE, LOG_VOLATILITY, TREND, OPEN_JUMP = range(4)


@njit(cache=True)
def _advance_factor(
    state: FloatArray, normals: FloatArray, uniforms: FloatArray, season: FloatArray,
    volatility_decay: float, volatility_deviation: float,
    trend_decay: float, trend_deviation: float,
    jump_probability: float, jump_ratio: float, pull: float,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return value and relative volatility of one factor over a day; `state` moves on with it."""
    n = season.size
    values = np.empty(n)
    volatilities = np.empty(n)
    volatility_step = volatility_deviation * sqrt(1.0 - volatility_decay**2)
    trend_step = trend_deviation * sqrt(1.0 - trend_decay**2)
    minute = 1.0 / n
    for t in range(n):
        state[LOG_VOLATILITY] = (
            volatility_decay * state[LOG_VOLATILITY] + volatility_step * normals[1, t]
        )
        state[TREND] = trend_decay * state[TREND] + trend_step * normals[2, t]
        if uniforms[0, t] < jump_probability:
            size = jump_ratio * (1.0 - log(1.0 - uniforms[1, t]))
            state[OPEN_JUMP] += size if uniforms[2, t] < 0.5 else -size
            state[LOG_VOLATILITY] += JUMP_VOLATILITY_STEP
        released = JUMP_RELEASE_RATIO * state[OPEN_JUMP]
        state[OPEN_JUMP] -= released
        # exp(v - var v) has mean square one.
        volatilities[t] = exp(state[LOG_VOLATILITY] - volatility_deviation**2)
        state[VALUE] += (
            volatilities[t] * season[t] * sqrt(minute) * normals[0, t]
            + (state[TREND] - pull * state[VALUE]) * minute
            + released
        )
        values[t] = state[VALUE]
    return values, volatilities


class PriceProcess:
    """The factors behind all assets, advanced a day at a time.

    Parameters
    ----------
    parameters : MarketParameters
        The market.
    """

    def __init__(self, parameters: MarketParameters) -> None:
        self._parameters = parameters
        self._factors = ("market", *(asset.name for asset in parameters.assets))
        self._state = {name: np.zeros(4) for name in self._factors}
        first_hour = parameters.start.hour
        hours = np.array([first_hour + t / 60.0 for t in range(MINUTES_PER_DAY)])
        swing = log(parameters.intraday_variation_ratio) / 2.0
        profile = np.array([exp(swing * cos(2 * pi * (h - BUSIEST_HOUR_UTC) / 24)) for h in hours])
        self._profile = profile / profile.mean()

    def advance_day(
        self, generators: dict[str, np.random.Generator]
    ) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Return index and activity of each asset over the next day.

        Parameters
        ----------
        generators : dict of str to numpy.random.Generator
            The day's generator of each factor: ``market`` and every asset.

        Returns
        -------
        dict of str to (log_index, activity)
            Per asset two ndarrays of float64, shape (1440,): natural logarithm of the index price
            at the end of each minute [ln USD], and trading activity in that minute relative to
            the average minute.
        """
        p = self._parameters
        minutes_of_half_life = 60.0 / log(2.0)
        paths = {}
        for name in self._factors:
            generator = generators[name]
            normals = generator.standard_normal((3, MINUTES_PER_DAY))
            uniforms = generator.random((3, MINUTES_PER_DAY))
            paths[name] = _advance_factor(
                self._state[name], normals, uniforms, np.sqrt(self._profile),
                exp(-1.0 / (p.volatility_half_life_hours * minutes_of_half_life)),
                p.volatility_log_deviation,
                exp(-1.0 / (p.trend_half_life_hours * minutes_of_half_life)),
                p.trend_ratio,
                p.jumps_per_day / MINUTES_PER_DAY, p.jump_ratio,
                log(2.0) / p.price_pull_half_life_days,
            )  # fmt: skip
        return {asset.name: self._asset_path(asset, paths) for asset in p.assets}

    def _asset_path(
        self, asset: SimulatedAsset, paths: dict[str, tuple[FloatArray, FloatArray]]
    ) -> tuple[FloatArray, FloatArray]:
        """Return log index and activity of one asset from the day's factors."""
        common = asset.market_correlation_ratio
        own = sqrt(1.0 - common**2)
        market_value, market_volatility = paths["market"]
        own_value, own_volatility = paths[asset.name]
        log_index = log(asset.price_usd) + asset.daily_volatility_ratio * (
            common * market_value + own * own_value
        )
        # Volume grows with volatility (Clark 1973: both follow the arrival of news).
        volatility = np.sqrt((common * market_volatility) ** 2 + (own * own_volatility) ** 2)
        return log_index, self._profile * volatility
