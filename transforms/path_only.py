"""The recursion of the turnover estimator on nothing but the path of price: a null to be beaten.

Belongs here: what is held constant. Does not belong here: the recursion (``density``) and the path
it reads; ``engine.run`` runs it like any estimator.

What such a model predicts shows how much of a map follows from where price has been. It makes no
map and has no vote.
"""

import dataclasses
from typing import Final

import numpy as np

from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.ladders import default_brackets
from transforms.margin import Brackets
from transforms.series import Bars

PATH_ONLY: Final[EstimatorParameters] = dataclasses.replace(
    ESTIMATORS["turnover"], provider="path_only"
)
"""Parameters of ``turnover`` under the name of the null."""

PATH_ONLY_BRACKETS: Final[Brackets] = default_brackets("BTC")
"""One ladder for every asset: a contract's own brackets are not part of its path."""

OPEN_INTEREST: Final = 1.0
"""Open interest after every bar [units of the asset]. A null is scaled before it is compared, so
only its ratio to volume matters."""

HOURLY_VOLUME: Final = 0.09
"""Volume of every hour [units of the asset]: the median ratio of hourly volume to open interest on
recorded hours of seven coins on Binance and Bybit (single medians .05 to .13)."""


def hold_constant(bars: Bars) -> Bars:
    """Return the bars with open interest and volume held constant and no taker volume.

    Parameters
    ----------
    bars : Bars
        Path of price; its volume and open interest are not used.

    Returns
    -------
    Bars
        The same prices.

    Examples
    --------
    >>> one, flag = np.ones(2), np.zeros(2, dtype=np.bool_)
    >>> bars = hold_constant(Bars(*[100 * one] * 9, flag, flag, bar_seconds=1800))
    >>> bars.volume.tolist(), bars.open_interest.tolist()
    ([0.045, 0.045], [1.0, 1.0])
    """
    n_bars = len(bars)
    return dataclasses.replace(
        bars,
        volume=np.full(n_bars, HOURLY_VOLUME * bars.bar_seconds / 3600.0),
        taker_buy=np.full(n_bars, np.nan),
        open_interest=np.full(n_bars, OPEN_INTEREST),
        is_imputed=np.zeros(n_bars, dtype=np.bool_),
    )
