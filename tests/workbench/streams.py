"""A market whose streams of liquidations are busy."""

from standin import DAY, MarketData, Pace, synthetic_market

START = 1_772_323_200_000


def busy_market(assets: dict[str, float]) -> MarketData:
    """Return two days around START on three venues, with thousands of liquidations a day."""
    return synthetic_market(
        start=START - DAY,
        end=START + DAY,
        venues=("binance", "bybit", "okx"),
        assets=assets,
        inverse_assets=("BTC",),
        pace=Pace(liquidations_per_day=5_000),
    )
