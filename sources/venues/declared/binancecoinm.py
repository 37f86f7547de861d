"""Binance coin-margined futures: dapi, the twin of fapi in `sources.venues.declared.binance`."""

from sources.venues.declaration import Venue
from sources.venues.declared.binance import RATE_LIMITS, STREAM, binance_product

VENUE = Venue(
    name="binancecoinm",
    ccxt_id="binancecoinm",
    options={"fetchMarkets": {"types": ["inverse"]}, "defaultType": "swap"},
    products=(binance_product("dapi"),),
    rate_limits=RATE_LIMITS,
    stream=STREAM,
    source="binance.fetch_markets: dapiPublicGetExchangeInfo",
    not_followed={
        "linear_usdt": "followed as the venue binance",
        "linear_usdc": "followed as the venue binance",
    },
)
