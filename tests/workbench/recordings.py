"""A folder laid out like the recordings, of a made-up market with a known truth."""

import io
import zipfile
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

HOUR = 3_600_000_000
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def make_hours(n_hours, seed=1):
    """Return the label of each hour [us] and its open, high, low, close, volume."""
    generator = np.random.default_rng(seed)
    steps = 0.004 * generator.standard_t(4, (n_hours, 4))
    path = np.log(100.0) + np.cumsum(steps.ravel()).reshape(n_hours, 4)
    opened = np.append(100.0, np.exp(path[:-1, -1]))
    corners = np.column_stack((opened, np.exp(path)))
    return {
        "label": START + np.arange(n_hours) * HOUR,
        "open": opened,
        "high": corners.max(axis=1),
        "low": corners.min(axis=1),
        "close": corners[:, -1],
        "volume": generator.gamma(2.0, 500.0, n_hours),
    }


def stamps(label):
    """Return labels as ISO text."""
    return [f"{one}Z" for one in np.array(label, "datetime64[us]").astype("datetime64[ms]")]


def write_klines(path, hours, *, has_header, unit=1000):
    """Write one monthly file as Binance's archive has them; stamps are in units of `unit` us."""
    opened = hours["label"] // unit
    zero = np.zeros(len(opened), dtype=np.int64)
    table = pa.table(
        {
            "open_time": opened,
            **{name: hours[name] for name in ("open", "high", "low", "close", "volume")},
            "close_time": opened + HOUR // unit - 1,
            "quote_volume": hours["volume"] * hours["close"],
            "count": zero,
            "taker_buy_volume": hours["volume"] / 2,
            "taker_buy_quote_volume": hours["volume"],
            "ignore": zero,
        }
    )
    text = io.BytesIO()
    pa_csv.write_csv(
        table, text, pa_csv.WriteOptions(include_header=has_header, quoting_style="none")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.stem + ".csv", text.getvalue())


def write_binance_table(folder, asset, hours, open_interest_usd):
    """Write the hourly table; open interest is that at the label."""
    columns = {
        f"{name}_perp_binance": hours[name] for name in ("open", "high", "low", "close", "volume")
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table(
            {
                "timestamp": pa.array(hours["label"], pa.timestamp("us")),
                **columns,
                "open_interest_usd_binance": open_interest_usd,
            }
        ),
        folder / f"binance_{asset}_1h.parquet",
    )


def write_bybit_table(folder, asset, hours, open_interest):
    """Write Bybit's hourly table; open interest counts both sides."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("open", "high", "low", "close", "volume")
    pq.write_table(
        pa.table(
            {
                "timestamp": pa.array(hours["label"], pa.timestamp("us")),
                **{name: hours[name] for name in names},
                "open_interest": open_interest,
            }
        ),
        folder / f"bybit_{asset}_1h.parquet",
    )


def write_realised(folder, name, label, long_usd, short_usd):
    """Write realised liquidations by span."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"datetime_utc": stamps(label), "longUsd": long_usd, "shortUsd": short_usd})
    pa_csv.write_csv(table, folder / name)


def write_price_table(folder, asset, hours, open_interest_usd):
    """Write prices beside open interest, which is that at the end of the hour."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "datetime_utc": stamps(hours["label"]),
            **{f"price_{name}": hours[name] for name in ("open", "high", "low", "close")},
            "oi_close": open_interest_usd,
        }
    )
    pa_csv.write_csv(table, folder / f"{asset}_1h_binance_price_open_interest.csv")
