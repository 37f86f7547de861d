"""Maintenance of a lake leaves few files, of a size that is good to read, and every row."""

from datetime import UTC, datetime

import pytest
from workbench.file_lakes import data_files, lake_workshop

from warehouse.storage import tidy

TARGET = 40_000
"""Size that files are merged up to here; in a lake of its own 128 MB [bytes]."""

LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def shop(tmp_path):
    pytest.importorskip("duckdb_extension_ducklake", reason="DuckLake is not installed")
    with lake_workshop(tmp_path / "home") as shop:
        yield shop


def insert_hour(shop, hour):
    """Insert 500 bars of an hour, numbers that do not compress."""
    shop.rows(
        "insert into raw.ohlcv by name select 'venue' as venue, 'A' || i as instrument, "
        "make_timestamptz(?::bigint) as bar_start_at, 300 as bar_seconds, "
        "random() as open, 2 + random() as high, random() as low, random() as close, "
        "random() as volume_quantity, null as taker_buy_quantity, 'test' as source, "
        "make_timestamptz(0) as ingested_at from range(500) as bar(i)",
        [hour * 3_600_000_000],
    )


def files_of(shop):
    return shop.rows(
        "select data_file_size_bytes, delete_file from "
        "ducklake_list_files('warehouse', 'ohlcv', schema => 'raw')"
    )


def content(shop):
    return shop.rows("select count(*), sum(hash(bar)::hugeint) from (from raw.ohlcv) as bar")


def test_small_files_and_those_with_deleted_rows_are_merged_up_to_a_size(shop):
    options = dict(shop.rows("select option_name, value from warehouse.options()"))
    assert int(options["target_file_size"]) == 128_000_000
    shop.rows(f"call warehouse.set_option('target_file_size', '{TARGET // 1000}KB')")
    for hour in range(24):
        insert_hour(shop, hour)
    few = [10 * 3_600_000_000, 11 * 3_600_000_000]
    shop.rows(
        "delete from raw.ohlcv where instrument < 'A2' and epoch_us(bar_start_at) in ?", [few]
    )
    before = content(shop)
    assert len(files_of(shop)) == 24
    stray = next(iter(data_files(shop.settings.home, "raw.ohlcv"))).with_name("run-killed.parquet")
    stray.write_bytes(b"left by a worker that was killed")
    tidy(shop.connection, LATER)
    sizes, deletions = zip(*files_of(shop), strict=True)
    assert set(deletions) == {None}
    assert sum(TARGET / 2 < size < 2 * TARGET for size in sizes) >= len(sizes) - 1 > 2
    assert content(shop) == before
    assert not stray.exists()
    assert len(data_files(shop.settings.home, "raw.ohlcv")) == len(sizes)
    # The next day's are merged among themselves: files of the right size stay as they are.
    insert_hour(shop, 25)
    tidy(shop.connection, LATER)
    assert len(files_of(shop)) <= len(sizes) + 1
