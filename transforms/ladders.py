"""Margin brackets assumed for contracts whose own are not known.

Belongs here: the default ladders, what they rest on and how wrong they are. Does not belong here:
what brackets are, and liquidation prices (``margin``).
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from transforms.margin import Brackets


@dataclass(frozen=True, slots=True)
class Ladder:
    """Brackets assumed for contracts of about one size.

    Parameters
    ----------
    smallest_open_interest_usd : float
        Open interest from which it is assumed [USD]; inf where the asset alone decides.
    notional_floor_usd, maintenance_margin_ratio, max_leverage : tuple of float
        As in ``Brackets``.
    """

    smallest_open_interest_usd: float
    notional_floor_usd: tuple[float, ...]
    maintenance_margin_ratio: tuple[float, ...]
    max_leverage: tuple[float, ...]

    def brackets(
        self, *, has_deduction: bool = True, liquidation_fee_ratio: float = 0.0
    ) -> Brackets:
        """Return it as brackets, by the formula of the venue they are assumed for."""
        return Brackets.from_ratios(
            self.notional_floor_usd,
            self.maintenance_margin_ratio,
            self.max_leverage,
            has_deduction=has_deduction,
            liquidation_fee_ratio=liquidation_fee_ratio,
        )


DEFAULT_LADDERS: Final = MappingProxyType(
    {
        "btc_eth": Ladder(
            np.inf,
            (0.0, 50e3, 600e3, 3e6, 12e6, 70e6),
            (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025),
            (125.0, 100.0, 75.0, 50.0, 25.0, 20.0),
        ),
        "large": Ladder(
            20e6,
            (0.0, 10e3, 50e3, 200e3, 1e6, 2e6, 5e6, 10e6, 20e6),
            (0.006, 0.01, 0.015, 0.02, 0.025, 0.05, 0.1, 0.125, 0.25),
            (75.0, 50.0, 40.0, 25.0, 10.0, 10.0, 5.0, 4.0, 2.0),
        ),
        "middle": Ladder(
            5e6,
            (0.0, 5e3, 10e3, 50e3, 200e3, 500e3, 1e6),
            (0.01, 0.015, 0.02, 0.05, 0.1, 0.1667, 0.25),
            (75.0, 50.0, 25.0, 10.0, 5.0, 3.0, 2.0),
        ),
        "small": Ladder(
            0.0,
            (0.0, 5e3, 10e3, 20e3, 100e3, 500e3),
            (0.02, 0.025, 0.05, 0.1, 0.125, 0.25),
            (25.0, 20.0, 10.0, 5.0, 4.0, 2.0),
        ),
    }
)
"""Brackets assumed where a contract's own are not known, the largest contracts first.

``btc_eth`` has what Binance published for BTC and ETH in USDT until 2024 ("Leverage and Margin of
USDⓈ-M Futures"). The others are medians, at round notionals, of the brackets that Binance published
in September 2026: ``small`` of all 894 contracts but BTC and ETH, ``middle`` and ``large`` of the
48 and 22 whose median open interest in the last quarter of 2022 was 5 to 20 and above 20 million
USD. Open interest of the others is not recorded, nor is that of 2026.

Error of the liquidation price of a long of 10,000 USD [% of entry], median / 90th percentile, the
contract itself left out; "one" is one ladder from 50x for every coin but BTC and ETH
(``python -m bench.ladders``):

======================================  ===========  ===========  ===========
contracts                                       10x          25x          50x
======================================  ===========  ===========  ===========
all 906, one                            0.72 / 3.41  0.53 / 4.03  1.14 / 4.03
all 906                                 0.53 / 2.69  0.52 / 3.76  0.78 / 3.76
the 114 with open interest, one         0.47 / 3.41  0.48 / 5.14  1.44 / 5.14
the 114 with open interest              0.26 / 2.69  0.26 / 4.89  0.26 / 5.05
``large``                               0.14 / 0.57  0.15 / 0.60  0.15 / 0.65
``middle``                              0.21 / 0.78  0.24 / 1.98  0.25 / 3.70
``small``                               0.47 / 3.11  0.52 / 8.03  1.29 / 8.03
======================================  ===========  ===========  ===========

The tail is contracts that allow 5x or 10x where the ladder allows 20x. Open interest does not
separate them; only a contract's own brackets do.
"""

_MAJOR_ASSETS: Final = frozenset({"BTC", "ETH"})


def default_ladder(asset: str, open_interest_usd: float = np.nan) -> str:
    """Return which of ``DEFAULT_LADDERS`` is assumed for a contract whose brackets are not known.

    Parameters
    ----------
    asset : str
        Base asset, such as ``BTC``.
    open_interest_usd : float
        Open interest of the contract, each position counted once [USD]; NaN where not known.

    Examples
    --------
    >>> default_ladder("BTC"), default_ladder("DOGE", 2e8), default_ladder("PEPE")
    ('btc_eth', 'large', 'small')
    """
    if asset in _MAJOR_ASSETS:
        return "btc_eth"
    for name, ladder in DEFAULT_LADDERS.items():
        if open_interest_usd >= ladder.smallest_open_interest_usd:
            return name
    return "small"


def default_brackets(asset: str, open_interest_usd: float = np.nan) -> Brackets:
    """Return the brackets assumed where an instrument's own are not known, without a fee.

    Parameters
    ----------
    asset, open_interest_usd
        As in ``default_ladder``.

    Examples
    --------
    >>> default_brackets("BTC").max_leverage[:2].tolist()
    [125.0, 100.0]
    >>> default_brackets("PEPE").max_leverage[:2].tolist()
    [25.0, 20.0]
    """
    return DEFAULT_LADDERS[default_ladder(asset, open_interest_usd)].brackets()
