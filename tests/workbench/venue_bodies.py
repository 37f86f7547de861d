"""Bodies of venues' responses in their documented forms, with invented figures.

The forms are those that venues document and ccxt quotes in its sources. Times in text where a
venue sends text, numbers where it sends numbers; lists in the order of the venue.
"""

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parents[2] / "../shared/data/exchange_responses"
needs_recordings = pytest.mark.skipif(
    not RECORDED.exists(), reason=f"recorded responses of venues are not at {RECORDED}"
)


def recorded_body(name: str) -> Any:
    """Return a body that was recorded; it lies outside the project."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def documented_body(name: str) -> Any:
    """Return a fresh copy of a body of this module, named like the recorded one."""
    return json.loads(json.dumps(BODIES[name]))


def _binance_contract(base: str, tick: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": f"{base}USDT",
        "pair": f"{base}USDT",
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1600000000000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.010000",
        "marketTakeBound": "0.30",
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "100",
                "maxPrice": "900000",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "900", "stepSize": "0.001"},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": "0.001",
                "maxQty": "90",
                "stepSize": "0.001",
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierDown": "0.9000",
                "multiplierUp": "1.1000",
                "multiplierDecimal": "4",
            },
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        **changes,
    }


def _bybit_contract(base: str, quote: str, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": f"{base}{quote}",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": quote,
        "launchTime": "1600000000000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.50", "maxPrice": "900000.00", "tickSize": "0.50"},
        "lotSizeFilter": {
            "maxOrderQty": "90.000",
            "minOrderQty": "0.001",
            "qtyStep": "0.001",
            "postOnlyMaxOrderQty": "900.000",
            "maxMktOrderQty": "50.000",
            # Inverse contracts have no smallest notional.
            **({"minNotionalValue": "5"} if quote == "USDT" else {}),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": 480,
        "settleCoin": quote,
        **changes,
    }


def _bybit(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "retCode": 0,
        "retMsg": "OK",
        "result": result,
        "retExtInfo": {},
        "time": 1772330000000,
    }


def _okx(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def _okx_contract(underlying: str, kind: str, value: str, currency: str, settle: str) -> Any:
    return {
        "alias": "",
        "baseCcy": "",
        "category": "1",
        "ctMult": "1",
        "ctType": kind,
        "ctVal": value,
        "ctValCcy": currency,
        "expTime": "",
        "instId": f"{underlying}-SWAP",
        "instType": "SWAP",
        "lever": "50",
        "listTime": "1600000000000",
        "lotSz": "1",
        **dict.fromkeys(("maxIcebergSz", "maxLmtSz", "maxTriggerSz", "maxTwapSz"), "90000000"),
        **dict.fromkeys(("maxMktSz", "maxStopSz"), "3000"),
        "minSz": "1",
        "optType": "",
        "quoteCcy": "",
        "settleCcy": settle,
        "state": "live",
        "stk": "",
        "tickSz": "0.1",
        "uly": underlying,
    }


def _gate_contract(name: str, multiplier: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "direct",
        "quanto_multiplier": multiplier,
        "ref_discount_rate": "0",
        "order_price_deviate": "0.5",
        "maintenance_rate": "0.005",
        "mark_type": "index",
        "last_price": "70010.5",
        "mark_price": "70012.25",
        "index_price": "70011.5",
        "funding_rate_indicative": "0.0002",
        "mark_price_round": "0.01",
        "funding_offset": 0,
        "in_delisting": False,
        "risk_limit_base": "500000",
        "interest_rate": "0.0003",
        "order_price_round": "0.1",
        "order_size_min": 1,
        "ref_rebate_rate": "0.2",
        "risk_limit_step": "500000",
        "enable_bonus": True,
        "enable_credit": True,
        "leverage_min": "1",
        "leverage_max": "100",
        "risk_limit_max": "20000000",
        "maker_fee_rate": "-0.0001",
        "taker_fee_rate": "0.00075",
        "funding_rate": "0.0002",
        "order_size_max": 900000,
        "funding_next_apply": 1772352000,
        "funding_interval": 28800,
        "short_users": 12,
        "long_users": 34,
        "config_change_time": 1700000000,
        "create_time": 0,
        "trade_size": 5000000,
        "position_size": 70000,
        "funding_impact_value": "60000",
        "orders_limit": 100,
        "trade_id": 1234,
        "orderbook_id": 5678,
        **changes,
    }


BODIES: dict[str, Any] = {
    "binance_fapi_exchangeInfo": {
        "timezone": "UTC",
        "serverTime": 1772330000000,
        "futuresType": "U_MARGINED",
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [
            _binance_contract("BTC", "0.01"),
            _binance_contract("1000SHIB", "0.000001"),
            _binance_contract(
                "ETH", "0.01", symbol="ETHUSDT_260327", contractType="CURRENT_QUARTER"
            ),
        ],
    },
    "binance_klines": [
        [
            1772323200000,
            "70000.10",
            "70050.00",
            "69950.50",
            "70010.20",
            "12.345",
            1772323499999,
            "864000.12345",
            308,
            "6.789",
            "475000.54321",
            "0",
        ]
    ],
    "binance_markPriceKlines": [
        [
            1772323200000,
            "70001.10",
            "70049.00",
            "69951.50",
            "70011.20",
            "0",
            1772323499999,
            "0",
            300,
            "0",
            "0",
            "0",
        ]
    ],
    "binance_fundingRate": [
        {"symbol": "BTCUSDT", "fundingRate": "-0.00012500", "fundingTime": 1772150400000},
        {"symbol": "BTCUSDT", "fundingRate": "0.00010000", "fundingTime": 1772179200000},
    ],
    "binance_openInterest": {
        "openInterest": "91234.567",
        "symbol": "BTCUSDT",
        "time": 1772330000011,
    },
    "binance_openInterestHist": [
        {
            "symbol": "BTCUSDT",
            "sumOpenInterest": "91234.56700000",
            "sumOpenInterestValue": "6387333435.84500000",
            "timestamp": "1772150700000",
        },
        {
            "symbol": "BTCUSDT",
            "sumOpenInterest": "91230.12300000",
            "sumOpenInterestValue": "6386108610.00000000",
            "timestamp": "1772151000000",
        },
    ],
    "bybit_instruments_linear": _bybit(
        {"category": "linear", "list": [_bybit_contract("BTC", "USDT")], "nextPageCursor": ""}
    ),
    "bybit_instruments_inverse": _bybit(
        {
            "category": "inverse",
            "list": [
                _bybit_contract("BTC", "USD", contractType="InversePerpetual", settleCoin="BTC")
            ],
            "nextPageCursor": "",
        }
    ),
    "bybit_kline_linear": _bybit(
        {
            "category": "linear",
            "symbol": "BTCUSDT",
            "list": [
                ["1772323200000", "70000.1", "70050", "69950.5", "70010.2", "12.345", "864000.12"]
            ],
        }
    ),
    "bybit_funding_history": _bybit(
        {
            "category": "linear",
            "list": [
                {
                    "symbol": "BTCUSDT",
                    "fundingRate": "0.0001",
                    "fundingRateTimestamp": "1772179200000",
                },
                {
                    "symbol": "BTCUSDT",
                    "fundingRate": "0.00025",
                    "fundingRateTimestamp": "1772150400000",
                },
            ],
        }
    ),
    "okx_instruments_SWAP": _okx(
        _okx_contract("BTC-USD", "inverse", "100", "USD", "BTC"),
        _okx_contract("BTC-USDT", "linear", "0.01", "BTC", "USDT"),
        _okx_contract("DOGE-USDT", "linear", "1000", "DOGE", "USDT"),
    ),
    # The second bar is off the five-minute grid.
    "okx_candles": _okx(
        ["1772151000000", "70000.1", "70050", "69950.5", "70010.2", "250", "2.5", "175000", "0"],
        ["1772150940000", "69990.1", "70010", "69980.5", "70000.1", "40", "0.4", "28000", "0"],
    ),
    "okx_funding_rate_history": _okx(
        {
            "instType": "SWAP",
            "instId": "BTC-USDT-SWAP",
            "fundingRate": "0.00018",
            "realizedRate": "0.00017",
            "fundingTime": "1772179200000",
        },
        {
            "instType": "SWAP",
            "instId": "BTC-USDT-SWAP",
            "fundingRate": "0.00005",
            "realizedRate": "-0.00003",
            "fundingTime": "1772150400000",
        },
    ),
    "okx_position_tiers": _okx(
        {
            "baseMaxLoan": "",
            "imr": "0.01",
            "instFamily": "BTC-USDT",
            "instId": "",
            "maxLever": "100",
            "maxSz": "500",
            "minSz": "0",
            "mmr": "0.004",
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "tier": "1",
            "uly": "BTC-USDT",
        }
    ),
    "gate_futures_usdt_contracts": [
        _gate_contract("BTC_USDT", "0.0001"),
        _gate_contract("XRP_USDT", "10", last_price="2.5", mark_price="2.5", index_price="2.5"),
    ],
    "hyperliquid_meta": {
        "universe": [
            {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
            {"name": "HPOS", "szDecimals": 0, "maxLeverage": 3, "onlyIsolated": True},
        ]
    },
}
