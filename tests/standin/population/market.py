"""The simulated market (`sources.simulated`) listed on Hyperliquid, with as many coins as needed.

Belongs here: which coins it has. Does not belong here: how their prices move, or who holds them.
"""

from dataclasses import replace
from datetime import UTC, datetime

from sources.simulated import MarketParameters, SimulatedAsset, SimulatedVenue, simulate
from sources.simulated.parameters import ASSETS, VENUES
from standin.feeding import market_from_batches
from standin.market_data import DAY, MarketData

MOST_LEVERAGE = (40, 25, 20, 10, 10, 5, 5, 3)  # of large coins first, as the venue lists them
THIN = ASSETS[-1]


def simulated_market(*, start: int, days: int, coins: int, seed: int = 0) -> MarketData:
    """Return the simulated market with contracts on Hyperliquid alone.

    Parameters
    ----------
    start : int
        First bar's open [ms]; a whole hour.
    coins : int
        How many: those the simulated market ships, then invented ones, smaller and wilder.
    """
    venue: SimulatedVenue = replace(VENUES[0], name="sim_hyperliquid")
    parameters = MarketParameters(
        start=datetime.fromtimestamp(start / 1000, UTC),
        days=days,
        seed=seed,
        venues=(venue,),
        assets=tuple(_asset(number) for number in range(coins)),
        warm_up_days=1,
    )
    return market_from_batches(
        simulate(parameters),
        venues={"sim_hyperliquid": "hyperliquid"},
        listed_at=start - 400 * DAY,
    )


def _asset(number: int) -> SimulatedAsset:
    leverage = float(MOST_LEVERAGE[min(number // 4, len(MOST_LEVERAGE) - 1)])
    if number < len(ASSETS) - 1:
        shipped, name = ASSETS[number], ASSETS[number].name
    else:
        # Prices between a hundredth and a thousand USD, volatility rising to that of thin coins.
        shipped, name = THIN, f"COIN{number}"
        shipped = replace(
            shipped,
            price_usd=0.013 * 10.0 ** (number % 6),
            daily_volatility_ratio=min(0.04 + 0.0002 * number, 0.08),
            market_correlation_ratio=0.6,
            tick_size=1e-5 * 10.0 ** (number % 6),
            whale=None,
        )
    return replace(
        shipped, name=name, max_leverage=leverage, maintenance_margin_ratio=0.5 / leverage
    )
