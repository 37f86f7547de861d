"""Hourly, daily and archive files of an invented market, in the forms of the shipped mappings.

Every venue holds the same truth, each in its own unit and under its own labels, so that whatever
is read back can be set against it.
"""

import csv
import datetime as dt
import math
import zipfile
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HOUR = dt.timedelta(hours=1)
COINS = {
    "BTC": 70_000.0,
    "ETH": 2_000.0,
    "SOL": 90.0,
    "XRP": 1.5,
    "DOGE": 0.1,
    "BNB": 600.0,
    "AVAX": 9.0,
}
OKX_SIZES = {
    "BTC": 0.01,
    "ETH": 0.1,
    "SOL": 1.0,
    "XRP": 100.0,
    "DOGE": 1000.0,
    "BNB": 0.01,
    "AVAX": 1.0,
}
GATE_SIZES = {
    "BTC": 0.0001,
    "ETH": 0.01,
    "SOL": 1.0,
    "XRP": 10.0,
    "DOGE": 10.0,
    "BNB": 0.001,
    "AVAX": 1.0,
}


@dataclass(frozen=True, slots=True)
class Truth:
    """What happened to one coin: bars by hour, open interest at their starts and the last end.

    Parameters
    ----------
    starts : list of datetime, length n
    open, high, low, close, mark : ndarray, shape (n,)
        [USD]
    volume : ndarray, shape (n,)
        [units of the asset]
    held : ndarray, shape (n + 1,)
        [units of the asset]
    paid : ndarray, shape (n,)
        Rate of the latest payment, which comes every eight hours [ratio].
    """

    starts: list[dt.datetime]
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    mark: np.ndarray
    volume: np.ndarray
    held: np.ndarray
    paid: np.ndarray


def invent_market(start, hours, coins=COINS, seed=3, sigma=0.004):
    """Return the truth of each coin; no change of open interest exceeds a third of the volume.

    Volatility comes in waves of about a day, and steps have fat tails, as in real markets.
    """
    market = {}
    starts = [start + n * HOUR for n in range(hours)]
    for number, (coin, price) in enumerate(coins.items()):
        random = np.random.default_rng(seed + number)
        waves = np.zeros(hours)
        for hour in range(1, hours):
            waves[hour] = 0.96 * waves[hour - 1] + 0.2 * random.standard_normal()
        steps = sigma * np.exp(waves - 0.25) * random.standard_t(4, hours) / math.sqrt(2)
        close = np.round(price * np.exp(np.cumsum(steps)), 6)
        opened = np.concatenate(([price], close[:-1]))
        wick = 1 + sigma / 2 * np.abs(random.standard_normal((2, hours)))
        change = random.uniform(-1, 1, hours)
        volume = np.round(3e7 / price * (1 + random.random(hours)), 3)
        held = np.round(1e9 / price + np.concatenate(([0], np.cumsum(change * volume / 3))), 3)
        market[coin] = Truth(
            starts=starts,
            open=opened,
            high=np.round(np.maximum(opened, close) * wick[0], 6),
            low=np.round(np.minimum(opened, close) / wick[1], 6),
            close=close,
            mark=np.round(close * 1.0001, 6),
            volume=volume,
            held=held,
            # Settlements are never alike, so that each shows.
            paid=np.array([1e-5 * (1 + at.hour // 8 + 3 * at.day) for at in starts]),
        )
    return market


def write_table(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _bars(truth, suffix, volume):
    return {
        f"open{suffix}": truth.open,
        f"high{suffix}": truth.high,
        f"low{suffix}": truth.low,
        f"close{suffix}": truth.close,
        f"volume{suffix}": volume,
    }


def _naive(truth):
    return [at.replace(tzinfo=None) for at in truth.starts]


def _state(truth, venue):
    """Return mark, funding, and open interest in USD at the mark of the hour before."""
    marks = np.concatenate((truth.mark[:1], truth.mark[:-1]))
    return {
        f"mark_price_{venue}": truth.mark,
        f"funding_rate_raw_{venue}": truth.paid,
        f"open_interest_usd_{venue}": truth.held[:-1] * marks,
    }


def write_binance(folder, coin, truth):
    """Write open interest in USD at the mark at which the hour before the label closed."""
    columns = {
        "timestamp": _naive(truth),
        **_bars(truth, "_perp_binance", truth.volume),
        **_state(truth, "binance"),
    }
    return write_table(folder / f"binance_{coin}_1h.parquet", columns)


def write_okx(folder, coin, truth):
    """Write volume in contracts, open interest as on Binance, and a last hour without a bar."""
    bars = _bars(truth, "_perp_okx", truth.volume / OKX_SIZES[coin])
    columns = {
        "timestamp": _naive(truth),
        **{name: [*values[:-1].tolist(), None] for name, values in bars.items()},
        **_state(truth, "okx"),
    }
    return write_table(folder / f"okx_{coin}_1h.parquet", columns)


def write_gate(folder, coin, truth, paid=None):
    """Write open interest of both sides an hour early, in USD at the mark of its own row."""
    columns = {
        "timestamp": _naive(truth),
        **_bars(truth, "_perp_gate", truth.volume / GATE_SIZES[coin]),
        "mark_price_gate": truth.mark,
        "funding_rate_raw_gate": truth.paid if paid is None else paid,
        "open_interest_usd_gate": 2 * truth.held[1:] * truth.mark,
    }
    return write_table(folder / f"gate_{coin}_1h.parquet", columns)


def write_bybit(folder, coin, truth):
    """Write open interest of both sides in units of the asset."""
    columns = {
        "symbol": [f"{coin}USDT"] * len(truth.starts),
        **_bars(truth, "", truth.volume),
        "open_interest": 2 * truth.held[:-1],
        "funding_rate": truth.paid,
        "timestamp": truth.starts,
    }
    return write_table(folder / f"bybit_{coin}_1h.parquet", columns)


def write_deribit(folder, coin, truth):
    """Write BTC and ETH, which are inverse, and the others, which are not."""
    is_inverse = coin in ("BTC", "ETH")
    columns = {
        "symbol": [coin] * len(truth.starts),
        **_bars(truth, "" if is_inverse else "_perp", truth.volume),
        f"funding_rate_1h{'' if is_inverse else '_deribit'}": truth.paid / 8,
        "timestamp": truth.starts,
    }
    return write_table(folder / f"deribit_{coin}_1h.parquet", columns)


def write_hyperliquid(folder, coin, truth):
    """Write bars and funding; open interest is in a file of its own."""
    columns = {
        "symbol": [coin] * len(truth.starts),
        **_bars(truth, "_perp", truth.volume),
        "funding_rate_1h_hyperliquid": truth.paid / 8,
        "timestamp": truth.starts,
    }
    return write_table(folder / f"hyperliquid_{coin}_1h.parquet", columns)


def write_dexes(folder, market, without_bars=("HYPE",)):
    """Write candles of Lighter's BTC, and open interest an hour early at the middle of its bar.

    Hyperliquid's bars are in its own files; coins in `without_bars` have open interest only.
    """
    btc = market["BTC"]
    n_hours = len(btc.starts)
    write_table(
        folder / "dex_candles.parquet",
        {
            "timestamp": btc.starts,
            "venue": ["lighter"] * n_hours,
            "coin": ["BTC"] * n_hours,
            **dict(zip("ohlcv", (btc.open, btc.high, btc.low, btc.close, btc.volume), strict=True)),
        },
    )
    held = [
        *(
            ("hyperliquid", coin, 2 * market[coin].held[1:], market[coin])
            for coin in ("BTC", "ETH")
        ),
        ("lighter", "BTC", btc.held[1:], btc),
        *(("hyperliquid", coin, np.ones(n_hours), btc) for coin in without_bars),
    ]
    write_table(
        folder / "dex_open_interest.parquet",
        {
            "timestamp": [at for *_, truth in held for at in truth.starts],
            "venue": [venue for venue, *_ in held for _ in range(n_hours)],
            "coin": [coin for _, coin, *_ in held for _ in range(n_hours)],
            "oi_usd": np.concatenate(
                [amount * (truth.high + truth.low) / 2 for *_, amount, truth in held]
            ),
        },
    )
    write_table(
        folder / "dex_funding_rates.parquet",
        {
            "timestamp": btc.starts,
            "venue": ["lighter"] * n_hours,
            "coin": ["BTC"] * n_hours,
            "funding_rate": btc.paid / 8,
        },
    )


def write_hourly_files(folder, market):
    """Write all files of all venues."""
    for coin, truth in market.items():
        write_binance(folder, coin, truth)
        write_okx(folder, coin, truth)
        # Gate pays AVAX every hour.
        hourly = 1e-6 * (1 + np.arange(len(truth.starts)))
        write_gate(folder, coin, truth, hourly if coin == "AVAX" else None)
        write_bybit(folder, coin, truth)
        write_deribit(folder, coin, truth)
        write_hyperliquid(folder, coin, truth)
    write_dexes(folder, market)


def _write_zip(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.stem + ".csv", "\n".join(lines) + "\n")
    return path


KLINES_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)


def write_archive(folder, coin, truth):
    """Write bars, mark bars and payments as Binance's archive has them, a month a file."""
    month = f"{truth.starts[0]:%Y-%m}"
    times = [round(at.timestamp() * 1000) for at in truth.starts]
    shift = truth.mark - truth.close
    zeros = (0, 3600, 0, 0, 0)
    bars = zip(times, truth.open, truth.high, truth.low, truth.close, truth.volume, strict=True)
    marks = zip(
        times, truth.open + shift, truth.high + shift, truth.low + shift, truth.mark, strict=True
    )
    _write_zip(
        folder / "futures_klines" / f"{coin}USDT-1h-{month}.zip",
        KLINES_HEADER,
        [(*bar, bar[0] + 3_599_999, bar[4] * bar[5], 1000, bar[5] / 2, 0, 0) for bar in bars],
    )
    _write_zip(
        folder / "mark_price_klines" / f"{coin}USDT-1h-{month}.zip",
        KLINES_HEADER,
        [(*mark, 0, mark[0] + 3_599_999, *zeros) for mark in marks],
    )
    _write_zip(
        folder / "funding_rate" / f"{coin}USDT-fundingRate-{month}.zip",
        "calc_time,funding_interval_hours,last_funding_rate",
        [
            # Payments are stamped some milliseconds late.
            (times[n] + 4, 8, truth.paid[n])
            for n, at in enumerate(truth.starts)
            if at.hour % 8 == 0
        ],
    )


def write_csv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_daily_files(folder, symbols, days, start):
    """Write the wide daily files: a row a day, the fields of each contract side by side."""
    labels = [f"{start + n * dt.timedelta(days=1):%Y-%m-%d}" for n in range(days)]
    for name, label, fields in (
        ("open_interest", "t", {"oi": 1000.5}),
        ("funding_rate", "t", {"fr": 0.01}),
        ("long_short", "Unnamed: 0", {"ls_ratio": 1.25}),
        ("liquidations", "Unnamed: 0", {"longliq": 10.5, "shortliq": 7.25}),
        ("close_volume", "t", {"close": 1.5, "volume": 1e6}),
    ):
        header = [label, *(f"{symbol}_PERP.A_{each}" for symbol in symbols for each in fields)]
        values = [*fields.values()] * len(symbols)
        write_csv(folder / f"{name}.csv", header, [[day, *values] for day in labels])


def write_liquidations(folder, start, hours):
    """Write realised liquidations of three venues together, by hour."""
    rows = []
    for n in range(hours):
        at = start + n * HOUR
        longs, shorts = 1000.25 + n, 500.5 * (1 + n % 3)
        rows.append([round(at.timestamp() * 1000), at.isoformat(), longs, shorts, longs + shorts])
    header = ["timestamp", "datetime_utc", "longUsd", "shortUsd", "totalUsd"]
    return write_csv(folder / "BTC_1h_binance_bybit_okx_usd.csv", header, rows)
