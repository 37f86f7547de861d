"""How many corrupted asset-days the quality gates flag, and how many clean ones.

``python -m bench.corruption [--recorded FOLDER]`` corrupts rows of a simulated market, and of
recorded files that ``liqheat import`` would take, at random in eight ways.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from jobs.check.gates_in_force import store_gates
from quality.gates import declared_gates
from sources.recorded import find_inputs, import_file
from sources.records import SCHEMAS, Batch
from sources.simulated import MarketParameters, simulate
from sources.simulated.parameters import ASSETS
from warehouse.migrate import migrate
from warehouse.models import create_views, run_incremental_models

DAY = timedelta(days=1)
SEED = 20260105
RATES = (0.01, 0.05, 0.20)
KINDS = ("instrument", "ohlcv", "mark_ohlc", "open_interest")

Records = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class DataSet:
    """Records that are taken to be clean, and the days of them that are judged.

    Parameters
    ----------
    name : str
        For the eye.
    records : dict of str to DataFrame
        Rows by kind.
    start, end : datetime
        Days judged; there is data before `start`.
    """

    name: str
    records: Records
    start: datetime
    end: datetime


def _by_kind(batches: Iterable[Batch]) -> Records:
    """Return the rows of batches by kind."""
    parts: dict[str, list[pa.Table]] = {kind: [] for kind in KINDS}
    for batch in batches:
        if batch.kind in parts:
            parts[batch.kind].append(batch.table)
    return {kind: pa.concat_tables(tables).to_pandas() for kind, tables in parts.items()}


def simulated(days: int, *, with_whale: bool = False) -> DataSet:
    """Return the liquid assets of a simulated market, or the thin one alone with its whale."""
    start = datetime(2026, 1, 5, tzinfo=UTC)
    assets = tuple(asset for asset in ASSETS if (asset.whale is not None) is with_whale)
    parameters = MarketParameters(start=start, days=days, seed=SEED, assets=assets)
    records = _by_kind(simulate(parameters))
    return DataSet("simulated, 5 min", records, start + DAY, start + days * DAY)


def recorded(folder: Path, start: datetime, end: datetime) -> DataSet:
    """Return what recorded files hold of a span, a week before it included."""
    span = {"ingested_at": end + 30 * DAY, "start": start - 7 * DAY, "end": end + DAY}
    batches = (import_file(*found, **span) for found in find_inputs(folder).matched)
    return DataSet("recorded, 1 h", _by_kind(chain.from_iterable(batches)), start, end)


def is_clean(known: pd.DataFrame) -> pd.Series:
    """Return which recorded instruments keep their books: the others are noisy as they come."""
    return known["venue"].isin(["binance", "bybit", "okx"]) | (
        known["venue"].eq("gate") & known["asset"].isin(["BTC", "ETH"])
    )


def only(data: DataSet, keep: Callable[[pd.DataFrame], pd.Series]) -> DataSet:
    """Return the rows of some instruments."""
    known = data.records["instrument"]
    wanted = known[keep(known)][["venue", "instrument"]].drop_duplicates()
    records = {kind: rows.merge(wanted) for kind, rows in data.records.items()}
    return DataSet(data.name, records, data.start, data.end)


@contextmanager
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an empty warehouse in memory with the gates stored."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        migrate(connection)
        create_views(connection)
        store_gates(connection, declared_gates())
        yield connection


def grade(data: DataSet, records: Records, *, by_hour: bool = False) -> pd.DataFrame:
    """Return rows of the graded venues at the end of each day judged, or of each hour."""
    with warehouse() as connection:
        for kind, rows in records.items():
            table = pa.Table.from_pandas(rows, schema=SCHEMAS[kind], preserve_index=False)
            connection.register("landed", table)
            connection.execute(f"insert into raw.{kind} by name select * from landed")
        assets = sorted(records["instrument"]["asset"].unique())
        run_incremental_models(connection, assets, data.start - 8 * DAY, data.end)
        graded = connection.execute(
            "select * exclude (reasons) from marts.asset_quality_hourly "
            "where venue <> 'all' and (? or hour(as_of) = 0) and as_of > ? and as_of <= ?",
            [by_hour, data.start, data.end],
        )
        return graded.to_arrow_table().to_pandas()


@dataclass(frozen=True)
class Corrupted:
    """Rows with some of them corrupted.

    Parameters
    ----------
    rows : DataFrame
        Rows that replace the clean ones.
    touched : ndarray of bool
        Which of the clean rows were changed, left out or repeated.
    """

    rows: pd.DataFrame
    touched: np.ndarray


PRICES = ("open", "high", "low", "close")
STAMP = {"ohlcv": "bar_start_at", "open_interest": "observed_at"}


def _steps(rows: pd.DataFrame, kind: str) -> pd.Series:
    """Return the length of a bar of each row."""
    if kind == "ohlcv":
        return pd.to_timedelta(rows["bar_seconds"], unit="s")
    gaps = rows.groupby(["venue", "instrument"])["observed_at"].diff()
    return gaps.groupby([rows["venue"], rows["instrument"]]).transform("median")


def scaled_unit(
    rows: pd.DataFrame, kind: str, chosen: np.ndarray, rng: np.random.Generator
) -> Corrupted:
    """Return rows whose amounts or prices are in another unit."""
    factor = np.where(chosen, rng.choice([1e-3, 1e-2, 1e2, 1e3], len(rows)), 1.0)
    rows = rows.copy()
    if kind == "open_interest":
        for column in ("open_interest_quantity", "received_amount"):
            rows[column] = rows[column] * factor
        return Corrupted(rows, chosen)
    is_price = rng.random(len(rows)) < 0.5
    for column in PRICES:
        rows[column] = rows[column] * np.where(is_price, factor, 1.0)
    rows["volume_quantity"] = rows["volume_quantity"] * np.where(is_price, 1.0, factor)
    return Corrupted(rows, chosen & (is_price | (rows["volume_quantity"] > 0)))


def frozen(
    rows: pd.DataFrame, kind: str, chosen: np.ndarray, _rng: np.random.Generator
) -> Corrupted:
    """Return open interest that repeats the row before."""
    if kind == "ohlcv":
        return Corrupted(rows, np.zeros(len(rows), dtype=np.bool_))
    rows = rows.copy()
    columns = ["open_interest_quantity", "received_amount", "received_value"]
    before = rows.groupby(["venue", "instrument"])[columns].shift()
    is_changed = (
        chosen
        & before["open_interest_quantity"].notna()
        & (before["open_interest_quantity"] != rows["open_interest_quantity"])
    ).to_numpy()
    rows.loc[is_changed, columns] = before.loc[is_changed, columns]
    return Corrupted(rows, is_changed)


def sign(rows: pd.DataFrame, kind: str, chosen: np.ndarray, rng: np.random.Generator) -> Corrupted:
    """Return rows in which one figure is negative."""
    rows = rows.copy()
    if kind == "open_interest":
        is_changed = chosen & (rows["open_interest_quantity"] != 0).to_numpy()
        rows.loc[is_changed, "open_interest_quantity"] *= -1
        return Corrupted(rows, is_changed)
    columns = [*PRICES, "volume_quantity"]
    pick = rng.integers(len(columns), size=len(rows))
    touched = np.zeros(len(rows), dtype=np.bool_)
    for number, column in enumerate(columns):
        is_changed = chosen & (pick == number) & (rows[column] != 0).to_numpy()
        rows.loc[is_changed, column] *= -1
        touched |= is_changed
    return Corrupted(rows, touched)


def duplicate(
    rows: pd.DataFrame, _kind: str, chosen: np.ndarray, _rng: np.random.Generator
) -> Corrupted:
    """Return rows with some of them repeated."""
    return Corrupted(pd.concat([rows, rows[chosen]], ignore_index=True), chosen)


def shift(
    rows: pd.DataFrame, kind: str, chosen: np.ndarray, _rng: np.random.Generator
) -> Corrupted:
    """Return rows with some of them stamped a bar late."""
    stamps = rows[STAMP[kind]]
    moved = rows.assign(**{STAMP[kind]: stamps.where(~chosen, stamps + _steps(rows, kind))})
    return Corrupted(moved, chosen)


def spike(rows: pd.DataFrame, kind: str, chosen: np.ndarray, rng: np.random.Generator) -> Corrupted:
    """Return rows in which a figure jumps and the bar stays possible."""
    rows = rows.copy()
    direction = rng.choice([-1.0, 1.0], len(rows))
    if kind == "open_interest":
        factor = np.where(chosen, 1 + direction * rng.uniform(0.2, 0.9, len(rows)), 1.0)
        for column in ("open_interest_quantity", "received_amount"):
            rows[column] = rows[column] * factor
        return Corrupted(rows, chosen)
    factor = 1 + direction * rng.uniform(0.05, 0.5, len(rows))
    pick = rng.integers(3, size=len(rows))
    for number, column in enumerate(("open", "close", "high")):
        is_changed = chosen & (pick == number)
        rows.loc[is_changed, column] *= factor[is_changed]
    rows["high"] = rows[list(PRICES)].max(axis=1)
    rows["low"] = rows[list(PRICES)].min(axis=1)
    return Corrupted(rows, chosen)


def drop(
    rows: pd.DataFrame, _kind: str, chosen: np.ndarray, _rng: np.random.Generator
) -> Corrupted:
    """Return rows without some of them."""
    return Corrupted(rows[~chosen], chosen)


def swap(rows: pd.DataFrame, kind: str, chosen: np.ndarray, rng: np.random.Generator) -> Corrupted:
    """Return rows in which two columns are swapped; values that are equal are not changed."""
    rows = rows.copy()
    columns = (
        [*PRICES, "volume_quantity"]
        if kind == "ohlcv"
        else ["open_interest_quantity", "received_value"]
    )
    values = rows[columns].to_numpy(copy=True)
    first = rng.integers(len(columns), size=len(rows))
    second = (first + rng.integers(1, len(columns), size=len(rows))) % len(columns)
    at = np.arange(len(rows))
    one, other = values[at, first].copy(), values[at, second].copy()
    touched = chosen & (one != other) & ~np.isnan(one) & ~np.isnan(other)
    values[at[touched], first[touched]] = other[touched]
    values[at[touched], second[touched]] = one[touched]
    rows[columns] = values
    return Corrupted(rows, touched)


WAYS: dict[str, Callable[[pd.DataFrame, str, np.ndarray, np.random.Generator], Corrupted]] = {
    "scaled unit": scaled_unit,
    "frozen open interest": frozen,
    "sign": sign,
    "duplicate": duplicate,
    "shift by a bar": shift,
    "spike": spike,
    "drop": drop,
    "swapped columns": swap,
}


def corrupt(
    data: DataSet, ways: Sequence[str], rate: float, rng: np.random.Generator
) -> tuple[Records, pd.DataFrame]:
    """Return records with a share of rows corrupted, each in one of the ways, and the days hit."""
    records = dict(data.records)
    hits = []
    assets = records["instrument"].drop_duplicates(["venue", "instrument"])
    for kind, stamp in STAMP.items():
        rows = records[kind].sort_values(["venue", "instrument", stamp], ignore_index=True)
        clean = rows
        way_of = rng.integers(len(ways), size=len(rows))
        is_chosen = rng.random(len(rows)) < rate
        parts = []
        for number, way in enumerate(ways):
            # Each row is handed to one way alone; the whole is there for what looks at neighbours.
            chosen = is_chosen & (way_of == number)
            done = WAYS[way](clean, kind, chosen, rng)
            hits.append(clean[done.touched])
            if len(ways) == 1:
                parts.append(done.rows)
            else:
                parts.append(_only_touched(clean, done))
        if len(ways) > 1:
            touched = np.zeros(len(clean), dtype=np.bool_)
            for hit in hits[-len(ways) :]:
                touched[hit.index] = True
            parts.append(clean[~touched])
        records[kind] = pd.concat(parts, ignore_index=True)
    hit_days = []
    for hit, stamp in zip(hits, [stamp for stamp in STAMP.values() for _ in ways], strict=True):
        ends = hit[stamp]
        if stamp == "bar_start_at":
            ends = ends + pd.to_timedelta(hit["bar_seconds"], unit="s")
        days = (ends - pd.Timedelta(microseconds=1)).dt.floor("D") + DAY
        hit_days.append(hit[["venue", "instrument"]].assign(as_of=days))
    days = pd.concat(hit_days).merge(assets[["venue", "instrument", "asset"]])
    return records, days[["asset", "venue", "as_of"]].drop_duplicates()


def _only_touched(clean: pd.DataFrame, done: Corrupted) -> pd.DataFrame:
    """Return the rows that replace those touched."""
    if len(done.rows) == len(clean):
        return done.rows[done.touched]
    if len(done.rows) < len(clean):
        return clean.iloc[:0]
    return pd.concat([clean[done.touched], clean[done.touched]])


def corruption(data: DataSet, seed: int) -> Iterator[str]:
    """Yield a Markdown table of how much of what was corrupted is flagged, and how much was not."""
    clean = grade(data, data.records)
    counts = clean.loc[clean["is_noisy"], "reason_names"].explode().value_counts()
    found = ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
    yield (
        f"{data.name}: {len(clean)} asset-days of {clean.groupby(['asset', 'venue']).ngroups} "
        f"series; {clean['is_noisy'].mean():.2%} are flagged while clean ({found})."
    )
    yield ""
    yield "| corrupted by | " + " | ".join(f"{rate:.0%} of rows" for rate in RATES) + " |"
    yield "| --- |" + " ---: |" * len(RATES)
    trials = [*((way, (way,)) for way in WAYS), ("each row one of the eight", tuple(WAYS))]
    for trial, (label, ways) in enumerate(trials):
        cells = []
        for number, rate in enumerate(RATES):
            rng = np.random.default_rng([seed, number, trial])
            records, days = corrupt(data, ways, rate, rng)
            hit = grade(data, records).merge(days)
            cells.append(f"{hit['is_noisy'].mean():.1%} of {len(hit)} days")
        yield f"| {label} | " + " | ".join(cells) + " |"


def corruption_sets(days: int, folder: Path | None) -> Iterator[DataSet]:
    """Yield the clean data that is corrupted: simulated, and recorded where there is any."""
    yield simulated(days)
    if folder is not None:
        span = datetime(2026, 2, 15, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
        yield only(recorded(folder, *span), is_clean)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, help="folder of recorded files")
    parser.add_argument("--days", type=int, default=12, help="days to simulate")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    for data in corruption_sets(options.days, options.recorded):
        for line in corruption(data, options.seed):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
