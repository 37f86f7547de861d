"""The archive that jobs import while they are killed, round by round.

A round is six hours of a small market.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from standin import DAY, HOUR

BEGUN = 1_772_409_600_000  # 2026-03-02
ROUND = 6 * HOUR
BAR = 300_000

_MAPPING = """
description: Bars with open interest at their end
matches: ["*.csv", "*.parquet"]
venue: {column: exchange}
instrument: {unified: "BTC/USDT:USDT", contract_size: 1}
time: {column: ts, unit: seconds, label: bar_open}
bar: 5m
ohlcv: {open: o, high: h, low: l, close: c, volume: v, volume_unit: base, taker_buy: bought}
mark_ohlc: {close: mark}
open_interest: {amount: held, amount_unit: base, shift: 5m}
funding_rate: {rate: funding, rate_unit: ratio, interval_hours: 8, repeated: true}
"""


def write_archive(folder: Path, rounds: int) -> None:
    """Write a contract on two venues round by round: one in CSV, one in Parquet."""
    rng = np.random.default_rng(5)
    count = ROUND // BAR
    bars = rounds * count
    stamps = (BEGUN - DAY) // 1000 + 300 * np.arange(bars + DAY // BAR)
    close = 60_000 * np.exp(np.cumsum(rng.normal(0, 2e-3, len(stamps))))
    opened = np.append(60_000, close[:-1])
    folder.mkdir()
    (folder / "bars.yaml").write_text(_MAPPING)
    for exchange in ("gate", "okx"):
        volume = rng.uniform(200, 600, len(stamps))
        table = pa.table(
            {
                "exchange": [exchange] * len(stamps),
                "ts": stamps,
                "o": opened,
                "h": np.maximum(opened, close) * (1 + rng.uniform(0, 2e-3, len(stamps))),
                "l": np.minimum(opened, close) * (1 - rng.uniform(0, 2e-3, len(stamps))),
                "c": close,
                "v": volume,
                "bought": volume * rng.uniform(0.3, 0.7, len(stamps)),
                "mark": close,
                "held": 50_000 + np.cumsum(rng.normal(0, 40, len(stamps))),
                "funding": np.repeat(rng.normal(1e-4, 1e-5, len(stamps) // 24), 24),
            }
        )
        end = DAY // BAR
        for number in range(rounds + 1):
            begin = 0 if number == 0 else end - count
            path = folder / f"{number:03d}" / exchange
            path.parent.mkdir(exist_ok=True)
            part = table.slice(begin, end - begin)
            if exchange == "okx":
                pq.write_table(part, path.with_suffix(".parquet"))
            else:
                pa_csv.write_csv(part, path.with_suffix(".csv"))
            end += count
