"""Raw history: what landed is kept outside the database, once, and makes raw again row for row."""

import os
import shutil
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbench import (
    DAY,
    END,
    HOUR,
    START,
    differences,
    instrument_row,
    of_one_series,
    table_of,
    workshop,
)

from jobs import pipeline
from jobs.settings import Settings
from jobs.writer import open_writer
from transforms.estimators import ESTIMATORS
from warehouse import history as moving
from warehouse.connect import open_warehouse
from warehouse.contracts import raw_relation, record_kinds, relations
from warehouse.errors import TerminalWarehouseError, WarehouseBusy, WarehouseDamaged
from warehouse.history import move_to_history
from warehouse.load import landed_select
from warehouse.migrate import migration_files

LATER = END + DAY
KEY = {"venue": "binance", "instrument": "BTC/USDT:USDT"}
INSTRUMENT = instrument_row()
LIVE = "binance-20260129T000000Z-0123456789ab"


def bars(first, count, ingested_at=END, close=100.0):
    prices = {"open": close, "high": close + 1, "low": close - 1, "close": close}
    row = {**KEY, **prices, "bar_seconds": 3600, "volume_quantity": 5.0}
    return table_of(
        "ohlcv",
        [{**row, "bar_start_at": first + n * timedelta(hours=1)} for n in range(count)],
        ingested_at,
    )


def sentiment(*values, at=START):
    rows = [
        {"index_name": "fear_greed", "observed_at": at + n * DAY, "index_value": value}
        for n, value in enumerate(values)
    ]
    return table_of("sentiment", rows)


@pytest.fixture
def shop(tmp_path):
    with workshop(tmp_path / "home") as opened:
        yield opened


def take_in_history(shop):
    """Two months of bars in two files, one corrected later, and rows of other kinds."""
    shop.land("instrument", table_of("instrument", [INSTRUMENT]), "described")
    # From January into February.
    shop.land("ohlcv", bars(datetime(2026, 1, 31, 20, tzinfo=UTC), 8), LIVE)
    shop.land("ohlcv", bars(datetime(2026, 2, 1, tzinfo=UTC), 3, END + DAY, 101.0), "imported")
    shop.land("sentiment", sentiment(40.0, 50.0, 50.0), "fear")
    refused = {
        "kind": "ohlcv", "input_name": "archive.csv", "row_number": 7, "reason": "no price",
    }  # fmt: skip
    columns = pa.schema(table_of("quarantine", []).schema)
    row = {name: refused.get(name) for name in columns.names}
    for name in columns.names:
        if row[name] is None and not columns.field(name).nullable:
            row[name] = "x" if pa.types.is_string(columns.field(name).type) else END
    shop.land("quarantine", pa.Table.from_pylist([row], schema=columns), "refused")
    report = shop.load()
    assert (report.rejected, report.file_count) == ((), 5)


def move(shop, before=LATER):
    return move_to_history(shop.connection, shop.settings.landing, shop.settings.raw, before)


def landed(shop):
    return sorted(path.stem for path in shop.settings.landing.glob("*/*.parquet"))


def rows_in(folder, kind):
    return duckdb.sql(
        f"select * exclude (month) from read_parquet('{folder}/{kind}/*/*.parquet', "
        "hive_partitioning = true) order by all"
    ).fetchall()


def raw_rows(path):
    """Return everything that came in, as the warehouse has it."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            kind: connection.execute(
                f"select * from {raw_relation(kind).name} order by all"
            ).fetchall()
            for kind in record_kinds()
        }


def rebuilt(settings):
    """Lose the warehouse, make it again and return what it holds."""
    settings.warehouse.unlink()
    report = pipeline.rebuild(settings)
    assert report.rejected == ()
    return raw_rows(settings.warehouse)


def test_every_kind_has_an_instant_that_gives_its_month():
    by_kind = {kind: raw_relation(kind).instant for kind in record_kinds()}
    assert by_kind["ohlcv"] == "bar_start_at"
    assert by_kind["leverage_bracket"] == "valid_from_at"
    assert by_kind["provider_map"] == "as_of"
    assert by_kind["quarantine"] == "ingested_at"
    # A change of an alert belongs to the month in which it was made, not to that of its hour.
    made = [kind for kind, column in by_kind.items() if column == "ingested_at"]
    assert made == ["alert", "quarantine"]


def test_loaded_files_move_to_their_months(shop):
    take_in_history(shop)
    count, size = move(shop)
    assert (count, size > 0, landed(shop)) == (5, True, [])
    months = sorted(
        path.relative_to(shop.settings.raw).as_posix()
        for path in shop.settings.raw.rglob("data.parquet")
    )
    assert months == [
        "instrument/month=2026-01/data.parquet",
        "ohlcv/month=2026-01/data.parquet",
        "ohlcv/month=2026-02/data.parquet",
        "quarantine/month=2026-02/data.parquet",
        "sentiment/month=2026-01/data.parquet",
    ]
    columns = pq.read_schema(shop.settings.raw / months[1]).names
    assert tuple(columns) == (*relations()["raw.ohlcv"].column_names, "landing_file")
    files = duckdb.sql(
        f"select landing_file, count(*) from '{shop.settings.raw}/ohlcv/*/*.parquet' group by all "
        "order by all"
    ).fetchall()
    assert files == [(f"ohlcv/{LIVE}.parquet", 8), ("ohlcv/imported.parquet", 3)]


def test_files_that_were_not_loaded_or_have_changed_stay(shop):
    take_in_history(shop)
    waiting = shop.land("sentiment", sentiment(60.0), "waiting")
    changed = shop.settings.landing / "sentiment" / "fear.parquet"
    pq.write_table(sentiment(99.0), changed)
    move(shop)
    assert landed(shop) == sorted([waiting.stem, changed.stem])


def test_recent_files_stay(shop):
    take_in_history(shop)
    assert move(shop, before=END) == (0, 0)
    assert len(landed(shop)) == 5


def test_a_lost_warehouse_is_made_again_row_for_row(shop):
    """Some of it from raw history, some from landing files; then all of it is built again."""
    take_in_history(shop)
    move(shop)
    shop.land("ohlcv", bars(END, 4), "later")
    shop.land("sentiment", sentiment(70.0, at=END), "later")
    shop.load()
    ledger = set(shop.rows("select file_name, sha256 from meta.landing_file"))
    shop.close()
    expected = raw_rows(shop.settings.warehouse)
    assert rebuilt(shop.settings) == expected
    assert [len(expected[kind]) for kind in ("ohlcv", "sentiment", "quarantine")] == [15, 4, 1]
    with open_warehouse(shop.settings.warehouse) as connection:
        known = connection.execute("select file_name, sha256 from meta.landing_file").fetchall()
        assert set(known) == ledger
        pending = connection.execute(
            "select asset, min(from_at) from meta.pending_build group by 1"
        )
        assert pending.fetchall() == [("BTC", datetime(2026, 1, 31, 20, tzinfo=UTC))]


def test_maps_of_a_rebuilt_warehouse_equal_those_before(shop, market_records):
    """Some of raw from history, some from landing; maps are built from nothing."""
    turnover = [ESTIMATORS["turnover"]]
    shop.take_in(of_one_series(market_records, last=13))
    move(shop)
    shop.take_in(of_one_series(market_records, 13, 26))
    shop.build(START + 26 * HOUR, turnover)
    shop.close()
    before = shop.settings.warehouse.rename(shop.settings.home / "before.duckdb")
    pipeline.rebuild(shop.settings)
    with workshop(shop.settings.home) as again:
        again.build(START + 26 * HOUR, turnover)
        assert again.one("select count(*) from derived.heatmap") > 20
    schemas = ("raw", "intermediate", "derived", "marts")
    assert differences(before, shop.settings.warehouse, schemas=schemas) == {}


def test_what_landed_before_is_not_loaded_again_after_a_rebuild(shop):
    take_in_history(shop)
    move(shop)
    shop.close()
    expected = raw_rows(shop.settings.warehouse)
    rebuilt(shop.settings)
    with workshop(shop.settings.home) as again:
        # The same import once more.
        again.land("ohlcv", bars(datetime(2026, 2, 1, tzinfo=UTC), 3, END + DAY, 101.0), "imported")
        again.load()
    assert raw_rows(shop.settings.warehouse) == expected


def test_moving_again_adds_only_what_is_new(shop):
    take_in_history(shop)
    move(shop)
    before = {path: path.stat().st_mtime_ns for path in shop.settings.raw.glob("*/*/data.parquet")}
    shop.land("sentiment", sentiment(70.0), "more")
    shop.load()
    move(shop)
    changed = [path for path, at in before.items() if path.stat().st_mtime_ns != at]
    assert [path.parent.parent.name for path in changed] == ["sentiment"]
    assert len(rows_in(shop.settings.raw, "sentiment")) == 4


@pytest.mark.parametrize("survived", [0, 2, 5, 6])
def test_moving_that_is_killed_loses_nothing_and_doubles_nothing(shop, monkeypatch, survived):
    """Killed after so many files have reached their place; then rebuilt, or moved again."""
    take_in_history(shop)
    settings = shop.settings
    copy, placed = moving._copy, []

    def killed(*arguments):
        if len(placed) == survived:
            raise KeyboardInterrupt
        placed.append(arguments)
        copy(*arguments)

    unlinked = type(settings.raw).unlink

    def killed_deleting(path, **options):
        if path.suffix == ".parquet" and len(landed(shop)) < 4:
            raise KeyboardInterrupt
        unlinked(path, **options)

    with monkeypatch.context() as context:
        context.setattr(moving, "_copy", killed)
        context.setattr(type(settings.raw), "unlink", killed_deleting)
        with pytest.raises(KeyboardInterrupt):
            move(shop)
    assert len(placed) == min(survived, 6)
    shop.close()
    expected = raw_rows(settings.warehouse)
    assert rebuilt(settings) == expected
    with workshop(settings.home) as again:
        move_to_history(
            again.connection, settings.landing, settings.raw, datetime(2100, 1, 1, tzinfo=UTC)
        )
    assert landed(shop) == []
    for kind in ("ohlcv", "sentiment", "instrument", "quarantine"):
        stored = [row[:-1] for row in rows_in(settings.raw, kind)]
        assert len(stored) == len(expected[kind]), kind
    assert rebuilt(settings) == expected


def test_history_that_only_an_earlier_releases_warehouse_has_is_kept_first(shop):
    take_in_history(shop)
    # As landing files were deleted a week after they were loaded.
    for path in shop.settings.landing.glob("*/*.parquet"):
        if path.stem != "imported":
            path.unlink()
    move(shop)
    shop.close()
    expected = raw_rows(shop.settings.warehouse)
    assert rebuilt(shop.settings) == expected
    files = {row[-1] for row in rows_in(shop.settings.raw, "ohlcv")}
    assert files == {"warehouse", "ohlcv/imported.parquet"}


def test_a_backup_taken_while_files_move_is_whole(shop, tmp_path):
    """Landing is copied first, so that what moves meanwhile is in both."""
    take_in_history(shop)
    backup = Settings(home=tmp_path / "backup")
    shutil.copytree(shop.settings.landing, backup.landing)
    move(shop)
    shutil.copytree(shop.settings.raw, backup.raw)
    shop.close()
    pipeline.rebuild(backup)
    assert raw_rows(backup.warehouse) == raw_rows(shop.settings.warehouse)


def test_history_rows_of_an_earlier_format_are_read_as_landing_files_of_it_are(shop):
    """A month written before columns were added, and rows that join it."""
    take_in_history(shop)
    move(shop)
    (month,) = shop.settings.raw.glob("sentiment/*/data.parquet")
    table = pq.read_table(month).drop_columns(["classification"]).replace_schema_metadata(None)
    pq.write_table(table, month)
    shop.land("sentiment", sentiment(70.0), "more")
    shop.load()
    move(shop)
    shop.close()
    expected = raw_rows(shop.settings.warehouse)
    assert rebuilt(shop.settings) == expected


def test_files_of_the_first_release_can_be_read_for_ever():
    """A column that a migration adds to raw is NULL in them, or has its rule in ``_UPGRADES``."""
    with duckdb.connect() as connection:
        for migration in migration_files()[:6]:
            connection.execute(migration.read_text())
        for kind in record_kinds():
            name = raw_relation(kind).name
            if not connection.execute(
                "select 1 from duckdb_tables() where schema_name || '.' || table_name = ?", [name]
            ).fetchall():
                continue
            file = pa.BufferOutputStream()
            pq.write_table(connection.execute(f"from {name}").to_arrow_table(), file)
            row_count, landed = landed_select(pa.BufferReader(file.getvalue()), raw_relation(kind))
            assert row_count == 0
            assert raw_relation(kind).column_names[-1] in landed


def test_a_lost_warehouse_is_not_begun_anew_in_silence(shop):
    take_in_history(shop)
    move(shop)
    shop.close()
    for harm in (shop.settings.warehouse.unlink, shop.settings.warehouse.touch):
        harm()
        with (
            pytest.raises(WarehouseDamaged, match=r"is gone, and .* run `liqheat rebuild`"),
            open_writer(shop.settings),
        ):
            pass


def read_all(settings):
    with open_writer(settings) as connection:
        for kind in record_kinds():
            connection.execute(f"from {raw_relation(kind).name}").fetchall()


@pytest.mark.parametrize("harm", ["no database", "torn", "scribbled over"])
def test_a_damaged_warehouse_says_what_to_run_and_is_made_again(shop, harm, tmp_path):
    take_in_history(shop)
    move(shop)
    shop.close()
    path = shop.settings.warehouse
    expected = raw_rows(path)
    content = bytearray(path.read_bytes())
    if harm == "no database":
        content[:] = b"a letter" * 1000
    elif harm == "torn":
        del content[len(content) // 3 :]
    else:
        content[12288 : len(content) : 512] = bytes(len(content[12288 : len(content) : 512]))
    path.write_bytes(content)
    with pytest.raises(WarehouseDamaged, match=r"warehouse\.duckdb.*run `liqheat rebuild`"):
        read_all(shop.settings)
    # What was logged for the old file may not be replayed over the next.
    path.with_name(f"{path.name}.wal").write_bytes(b"log")
    pipeline.rebuild(shop.settings)
    assert raw_rows(path) == expected
    assert path.with_name("warehouse.duckdb.old-1").read_bytes() == content
    pipeline.rebuild(shop.settings)
    assert path.with_name("warehouse.duckdb.old-2").exists()
    assert not path.with_name("warehouse.duckdb.wal").exists()


def test_a_rebuild_waits_for_no_writer(tmp_path):
    """The writer is another process: locks of files are of processes."""
    settings = Settings(home=tmp_path)
    with open_warehouse(settings.warehouse):
        child = os.fork()
        if child == 0:
            try:
                pipeline.rebuild(settings)
            except WarehouseBusy:
                os._exit(7)
            os._exit(1)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7


def test_a_damaged_history_is_named_and_the_warehouse_stays(shop):
    take_in_history(shop)
    move(shop)
    shop.close()
    before = shop.settings.warehouse.read_bytes()
    (month,) = shop.settings.raw.glob("sentiment/*/data.parquet")
    month.write_bytes(month.read_bytes()[:100])
    with pytest.raises(TerminalWarehouseError, match=r"sentiment/month=2026-01/data\.parquet"):
        pipeline.rebuild(shop.settings)
    assert shop.settings.warehouse.read_bytes() == before
