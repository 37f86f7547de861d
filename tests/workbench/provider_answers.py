"""Providers' answers in their documented forms, made for any price, with invented figures."""

import json
import math

import numpy as np

LEVERAGES = (25, 30, 40, 50, 60, 70, 80, 90, 100)
VENUES = ("Lighter", "Binance", "Aster", "Hyperliquid", "Okex", "Bybit")
WALLET_BUCKETS = (10, 25, 50, 100)
CELLS_PER_SIDE = 25

COINANK = {
    "success": True,
    "data": {
        "symbol": "BTCUSDT",
        "x25": [1.0, 0.0, 2.0],
        "prices": [98.0, 100.0, 102.0],
        "lastIndex": 1.0,
        "lastPrice": 100.0,
    },
}
"""CoinAnk's map of one pair, as small as it may be."""


def _coinank(prices, price_index, lists, **more):
    data = {
        **more,
        **lists,
        "prices": prices,
        "lastIndex": float(price_index),
        "lastPrice": prices[price_index],
    }
    return json.dumps({"success": True, "code": "1", "msg": None, "data": data}).encode()


def _rungs(price, step, reach):
    """Return rungs that hold the price, and its index."""
    return [price + step * n for n in range(-reach, reach + 1)], reach


def _intensities(count, index, seed):
    """Return whole numbers that grow away from price; about a third are 0, as is the price's.

    The outermost are not, so that the map reaches as far as its rungs.
    """
    random = np.random.default_rng(seed)
    distance = np.abs(np.arange(count) - index)
    values = np.round(1000 * distance * random.random(count)) * (random.random(count) < 0.65)
    values[[0, -1]] = 1000.0
    return values.tolist()


def coinank_pair(price, step=2.0, reach=20):
    """Return a map of one pair: a list of intensities for each leverage."""
    prices, index = _rungs(price, step, reach)
    lists = {f"x{each}": _intensities(len(prices), index, each) for each in LEVERAGES}
    return _coinank(prices, index, lists, symbol="BTCUSDT")


def coinank_aggregate(price, step=2.0, reach=20):
    """Return a map of several venues: a list of intensities for each."""
    prices, index = _rungs(price, step, reach)
    lists = {
        venue: _intensities(len(prices), index, seed) for seed, venue in enumerate(VENUES, start=1)
    }
    return _coinank(prices, index, lists)


def _wallet_rows(price, side, usd, cells):
    """Return rows of cells at distances in cells of 1.2 %, prices rounded to cents."""
    rows = []
    for cell in sorted(cells):
        ratio = 0.012 * (cell + 0.5)
        at = price * (1 - ratio if side == "long" else 1 + ratio)
        bucket = WALLET_BUCKETS[cell % len(WALLET_BUCKETS)]
        rows.append(
            {
                "price": round(at, 2),
                "value": usd * (1 + cell % 3),
                **{f"{each}x": usd * (1 + cell % 3) * (each == bucket) for each in WALLET_BUCKETS},
            }
        )
    return sorted(rows, key=lambda row: row["price"])


def top_wallets(captures, *, long_usd=4e6, short_usd=2e6):
    """Return lines of leading wallets' positions.

    Parameters
    ----------
    captures : list of (datetime, dict of price by coin)
        Instants and prices. Longs of coins below a dollar cannot be placed: their prices are
        rounded to cents, coarser than their cells.
    long_usd, short_usd : float
        Smallest value of a cell [USD].
    """
    lines = []
    for at, prices in captures:
        data = {}
        for coin, price in prices.items():
            cells = range(0, CELLS_PER_SIDE, 3)
            longs = _wallet_rows(price, "long", long_usd, cells)
            shorts = _wallet_rows(price, "short", short_usd, cells) if price > 1 else []
            data[coin] = {
                "currentPrice": price,
                "longLiquidations": longs,
                "shortLiquidations": shorts,
                "totalLongValue": math.fsum(row["value"] for row in longs),
                "totalShortValue": math.fsum(row["value"] for row in shorts),
            }
        buckets = [{"label": f"{each}x", "max": each} for each in WALLET_BUCKETS]
        lines.append(
            json.dumps(
                {
                    "commit": "0" * 40,
                    "committed_at": at.isoformat(),
                    "coins": list(prices),
                    "leverageBuckets": buckets,
                    "data": data,
                }
            )
        )
    return "\n".join(lines).encode()


BEYOND_USD = {"long": 50e6, "short": 50e6}
NEAR_RATIOS = {"long": [0.01, 0.03, 0.10], "short": [0.02, 0.05, 0.20]}
"""Shares of 100 M USD a side within 1, 2 and 5 % of price in `all_accounts`."""


def all_accounts(at, price=50_000.0):
    """Return the positions of all accounts in one coin, USD by the lower edge of a cell."""
    lowest, highest = 0.4 * price, 1.6 * price
    return json.dumps(
        {
            "symbol": "BTCUSDT",
            "snapshot_ts": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "reference_price": price,
            "bucket_grid": {"min_price": lowest, "max_price": highest + 5.0, "step": 10.0},
            "long_distribution": {
                f"{lowest:.1f}": BEYOND_USD["long"],
                f"{0.80 * price:.1f}": 40e6,
                f"{0.96 * price:.1f}": 7e6,
                f"{0.985 * price:.1f}": 2e6,
                f"{0.995 * price:.1f}": 1e6,
            },
            "short_distribution": {
                f"{1.005 * price:.1f}": 2e6,
                f"{1.015 * price:.1f}": 3e6,
                f"{1.04 * price:.1f}": 15e6,
                f"{1.20 * price:.1f}": 30e6,
                f"{highest:.1f}": BEYOND_USD["short"],
            },
        }
    ).encode()
