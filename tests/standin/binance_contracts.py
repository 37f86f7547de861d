"""What Binance publishes about a contract: its rules, its spot market, its leverage brackets.

Belongs here: rows of one contract. Does not belong here: paths and parameters (`dialects.binance`).
"""

from typing import Any

from standin.market_data import Instrument
from standin.spelling import text


def contract_row(market_id: str, instrument: Instrument) -> dict[str, Any]:
    """Return a contract as exchangeInfo lists it."""
    tick = text(instrument.tick_size)
    step = "1" if instrument.is_inverse else "0.001"
    decimals = len(tick.partition(".")[2])
    quantity_decimals = len(step.partition(".")[2])
    row: dict[str, Any] = {
        "symbol": market_id,
        "pair": f"{instrument.base}{instrument.quote}",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": instrument.listed_at,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": instrument.base,
        "quoteAsset": instrument.quote,
        "marginAsset": instrument.settle,
        "pricePrecision": decimals,
        "quantityPrecision": quantity_decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012000",
        "marketTakeBound": "0.30",
        "filters": [
            {"minPrice": tick, "maxPrice": "1000000", "filterType": "PRICE_FILTER",
             "tickSize": tick},
            {"stepSize": step, "filterType": "LOT_SIZE", "maxQty": "1000000", "minQty": step},
            {"stepSize": step, "filterType": "MARKET_LOT_SIZE", "maxQty": "100000",
             "minQty": step},
            {"limit": 200, "filterType": "MAX_NUM_ORDERS"},
            {"multiplierDown": "0.8500", "multiplierUp": "1.1500", "multiplierDecimal": "4",
             "filterType": "PERCENT_PRICE"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
                       "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }  # fmt: skip
    if instrument.is_inverse:
        row["contractStatus"] = "TRADING"
        row["contractSize"] = int(instrument.contract_size)
        row["equalQtyPrecision"] = 4
    else:
        row["status"] = "TRADING"
        row["settlePlan"] = 0
        row["filters"].append({"notional": "5", "filterType": "MIN_NOTIONAL"})
    return row


def spot_row(instrument: Instrument) -> dict[str, Any]:
    """Return the spot market of a contract's base asset."""
    return {
        "symbol": f"{instrument.base}USDT",
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": [],
        "permissions": ["SPOT"],
    }


def leverage_brackets(instrument: Instrument) -> list[dict[str, Any]]:
    """Return brackets as binance spells them, each ten times the one before.

    Floors and caps are USD of notional for linear contracts and base units for inverse ones.
    """
    rows = []
    unit = "qty" if instrument.is_inverse else "notional"
    cap = 5.0 if instrument.is_inverse else 50_000.0
    floor, ratio, cum = 0.0, instrument.maintenance_margin_ratio, 0.0
    for level in range(1, 5):
        rows.append(
            {
                "bracket": level,
                "initialLeverage": max(1, instrument.max_leverage // level),
                f"{unit}Cap": int(cap),
                f"{unit}Floor": int(floor),
                "maintMarginRatio": ratio,
                "cum": cum,
            }
        )
        cum += cap * ratio * 0.5
        floor, cap, ratio = cap, cap * 10, ratio * 1.5
    return rows
