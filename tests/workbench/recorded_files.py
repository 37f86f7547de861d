"""Small files of hourly bars, and what an import makes of them."""

import datetime as dt

import yaml

from sources.recorded import import_file, load_mapping

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
INGESTED_AT = START + dt.timedelta(days=30)
HEADER = "symbol,t,o,h,l,c,v,mark,oi"

MAPPING = {
    "description": "hourly bars",
    "venue": "binance",
    "instrument": {
        "unified": "{base}/{quote}:{quote}",
        "column": "symbol",
        "column_pattern": "{base}{quote}",
    },
    "time": {"column": "t", "unit": "seconds", "label": "bar_open"},
    "bar": "1h",
    "ohlcv": {
        "open": "o",
        "high": "h",
        "low": "l",
        "close": "c",
        "volume": "v",
        "volume_unit": "base",
    },
    "mark_ohlc": {"close": "mark"},
    "open_interest": {"amount": "oi", "amount_unit": "base"},
}


def hour(n):
    return int((START + n * HOUR).timestamp())


def line(n, **changes):
    cells = {
        "symbol": "BTCUSDT",
        "t": hour(n),
        "o": 100,
        "h": 110,
        "l": 90,
        "c": 105,
        "v": 7,
        "mark": 104,
        "oi": 50 + n,
    }
    return ",".join(str(cell) for cell in {**cells, **changes}.values())


def mapping_of(folder, **changes):
    content = {key: value for key, value in {**MAPPING, **changes}.items() if value is not None}
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_mapping(path)


def csv_of(folder, lines, header=HEADER, name="bars.csv"):
    path = folder / name
    path.write_text("\n".join([*([header] if header else []), *lines]) + "\n", encoding="utf-8")
    return path


def run(path, mapping, **options):
    """Return the rows of each kind."""
    records = {}
    for batch in import_file(path, mapping, **{"ingested_at": INGESTED_AT, **options}):
        assert len(batch.table)
        records.setdefault(batch.kind, []).extend(batch.table.to_pylist())
    return records
