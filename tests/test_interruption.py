"""Killed at any instant and started again, the pipeline ends with the rows it would have had."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from workbench import differences

from jobs.settings import Settings
from warehouse.contracts import public_relations
from warehouse.publish import PUBLISHED_FILE

PROJECT = Path(__file__).parents[1]
AS_OF = "2026-03-04T00:00"
N_BARS = 3 * 288

# How often each command is killed in each home, evenly over what an undisturbed one takes; the
# instants of one home lie between those of the other.
HOMES = 2
KILLS = {"import": 4, "build": 5, "publish": 3, "run": 2}

MAPPING = """
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

# Tells when its modules are loaded, before which it touches nothing.
COMMAND = """
import cli.main, jobs.importing, jobs.pipeline
print("ready", flush=True)
cli.main.app()
"""


def write_archive(folder):
    """Write three days of one contract on two venues, one in CSV by day, one in Parquet."""
    rng = np.random.default_rng(5)
    begin = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
    stamps = begin + 300 * np.arange(N_BARS)
    close = 60_000 * np.exp(np.cumsum(rng.normal(0, 2e-3, N_BARS)))
    opened = np.append(60_000, close[:-1])
    folder.mkdir()
    (folder / "bars.yaml").write_text(MAPPING)
    for exchange in ("binance", "okx"):
        volume = rng.uniform(200, 600, N_BARS)
        table = pa.table(
            {
                "exchange": [exchange] * N_BARS,
                "ts": stamps,
                "o": opened,
                "h": np.maximum(opened, close) * (1 + rng.uniform(0, 2e-3, N_BARS)),
                "l": np.minimum(opened, close) * (1 - rng.uniform(0, 2e-3, N_BARS)),
                "c": close,
                "v": volume,
                "bought": volume * rng.uniform(0.3, 0.7, N_BARS),
                "mark": close,
                "held": 50_000 + np.cumsum(rng.normal(0, 40, N_BARS)),
                "funding": np.repeat(rng.normal(1e-4, 1e-5, N_BARS // 96), 96),
            }
        )
        if exchange == "okx":
            pq.write_table(table, folder / "okx.parquet")
            continue
        for day in range(3):
            pa_csv.write_csv(table.slice(288 * day, 288), folder / f"binance-{day}.csv")
    return folder


def start(command, archive, home):
    """Start a command as a process of its own and wait until it begins to work."""
    arguments = {
        "import": ["import", str(archive), "--mapping", str(archive / "bars.yaml")],
    }.get(command, [command, "--as-of", AS_OF])
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=PROJECT,
        env={**os.environ, "LIQHEAT_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def finish(process):
    """Wait for the end of a process that must succeed."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


def was_killed_after(process, seconds):
    """Kill a process unless it ends before; what it ends with must be success."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    _, said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def rows_of(path, sql):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("interrupted") / "archive")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, archive):
    """Return a home that nothing disturbed and what each command took [s], all code compiled."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for command in ("import", "build"):
        finish(start(command, archive, folder / "compiling"))
    seconds = {}
    for command in KILLS:
        process = start(command, archive, folder / "home")
        began = time.monotonic()
        finish(process)
        seconds[command] = time.monotonic() - began
    return folder / "home", seconds


@pytest.mark.parametrize("number", range(HOMES))
def test_a_home_whose_commands_were_killed_ends_with_the_same_rows(
    number, undisturbed, archive, tmp_path
):
    expected, seconds = undisturbed
    n_killed = 0
    for command, kills in KILLS.items():
        for kill in range(kills):
            share = (kill + (number + 0.5) / HOMES) / kills
            process = start(command, archive, tmp_path)
            n_killed += was_killed_after(process, share * seconds[command])
        # The last run does what is left of building and publishing.
        if command in ("import", "run"):
            finish(start(command, archive, tmp_path))
    assert n_killed

    one, other = Settings(home=tmp_path), Settings(home=expected)
    schemas = ("raw", "intermediate", "derived", "marts")
    assert differences(one.warehouse, other.warehouse, schemas=schemas) == {}
    published = {relation.schema for relation in public_relations()} - {"quality"}
    readers = [settings.published / PUBLISHED_FILE for settings in (one, other)]
    assert differences(*readers, schemas=sorted(published)) == {}
    assert parquet_rows(one) == parquet_rows(other)
    # What is compared is not empty, nothing is left to do and nobody says it is still running.
    assert rows_of(one.warehouse, "select count(*) > 0 from derived.heatmap") == [(True,)]
    for left in ("meta.pending_build", "meta.pending_publish"):
        assert rows_of(one.warehouse, f"select * from {left}") == []
    assert rows_of(one.warehouse, "select * from meta.pipeline_run where status = 'running'") == []


def parquet_rows(settings):
    """Return the rows of each published Parquet file by its place."""
    folder = settings.published / "parquet"
    return {
        str(path.relative_to(folder)): pq.read_metadata(path).num_rows
        for path in sorted(folder.rglob("*.parquet"))
        if not path.name.startswith(".")
    }


LANDING = """
import sys
from pathlib import Path
import pyarrow as pa
from jobs.landing import land
from sources.records import SCHEMAS, Batch

table = pa.table(
    {field.name: pa.array([1] * 200_000).cast(pa.int64()).cast(field.type)
     if not pa.types.is_string(field.type) else ["text"] * 200_000
     for field in SCHEMAS["sentiment"]},
    schema=SCHEMAS["sentiment"],
)
print("ready", flush=True)
for number in range(100_000):
    land(Batch("sentiment", table), Path(sys.argv[1]), f"{number:05d}")
"""


@pytest.mark.parametrize("seconds", [0.003, 0.05, 0.11, 0.23])
def test_a_landing_file_is_there_whole_or_not_at_all_when_its_writer_is_killed(seconds, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", LANDING, str(tmp_path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert was_killed_after(process, seconds)
    for path in (tmp_path / "sentiment").glob("*.parquet"):
        assert pq.read_table(path).num_rows == 200_000
