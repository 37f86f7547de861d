"""Landing files are loaded once, whole, or refused with a message that names them."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbench import DAY, END, HOUR, START, instrument_row, table_of, workshop

from warehouse import load
from warehouse.connect import transaction
from warehouse.contracts import raw_relation, record_kinds
from warehouse.history import move_to_history


@pytest.fixture
def shop(tmp_path):
    with workshop(tmp_path) as opened:
        yield opened


def sentiment(*values):
    return table_of(
        "sentiment",
        [
            {"index_name": "fear_greed", "observed_at": START + n * DAY, "index_value": value}
            for n, value in enumerate(values)
        ],
    )


def count(shop, relation="raw.sentiment"):
    return shop.one(f"select count(*) from {relation}")


def test_every_kind_of_record_has_a_table():
    from sources.records import SCHEMAS

    assert set(record_kinds()) == set(SCHEMAS)
    for kind in record_kinds():
        assert raw_relation(kind).column_names == tuple(SCHEMAS[kind].names)


def test_a_second_load_finds_nothing(shop):
    shop.land("sentiment", sentiment(40.0, 50.0))
    first = shop.load()
    second = shop.load()
    assert (first.rows_by_kind, first.file_count) == ({"sentiment": 2}, 1)
    assert (second.rows_by_kind, second.file_count, second.rejected) == ({}, 0, ())
    assert count(shop) == 2


def test_the_ledger_lists_which_file_was_loaded_when(shop):
    shop.land("sentiment", sentiment(40.0), "monday")
    shop.load()
    (row,) = shop.rows(
        "select file_name, kind, row_count, loaded_at, run_id, length(sha256) "
        "from meta.landing_file"
    )
    assert row == ("sentiment/monday.parquet", "sentiment", 1, END, "load", 64)


def test_a_torn_file_costs_only_itself(shop):
    shop.land("sentiment", sentiment(40.0), "good")
    torn = shop.land("sentiment", sentiment(50.0), "half")
    torn.write_bytes(torn.read_bytes()[:-20])
    report = shop.load()
    assert report.rows_by_kind == {"sentiment": 1}
    (message,) = report.rejected
    assert message.startswith("half.parquet: not a complete Parquet file")
    assert "delete it and ingest its source again" in message
    assert torn.exists()


def test_a_file_that_is_repaired_is_loaded_then(shop):
    torn = shop.land("sentiment", sentiment(50.0), "half")
    whole = torn.read_bytes()
    torn.write_bytes(whole[:100])
    assert shop.load().file_count == 0
    torn.write_bytes(whole)
    assert shop.load().rows_by_kind == {"sentiment": 1}


def test_a_file_that_changed_after_it_was_loaded_is_refused(shop):
    path = shop.land("sentiment", sentiment(40.0), "monday")
    shop.load()
    pq.write_table(sentiment(99.0), path)
    # As a copy that keeps the time of its original.
    os.utime(path, (0, 0))
    (message,) = shop.load().rejected
    assert "sentiment/monday.parquet: changed after it was loaded" in message
    assert shop.rows("select index_value from raw.sentiment") == [(40.0,)]


def test_a_file_with_other_columns_is_refused(shop):
    folder = shop.settings.landing / "sentiment"
    folder.mkdir(parents=True)
    pq.write_table(sentiment(40.0).rename_columns(
        ["index", "observed_at", "index_value", "classification", "source", "ingested_at"]
    ), folder / "other.parquet")  # fmt: skip
    (message,) = shop.load().rejected
    assert message.startswith("other.parquet: columns ('index', 'observed_at'")
    assert "do not fit raw.sentiment" in message
    assert "another release" in message


def test_a_file_with_missing_values_is_refused_whole(shop):
    table = sentiment(40.0, 50.0)
    nullable = pa.schema([field.with_nullable(True) for field in table.schema])
    holed = table.cast(nullable).set_column(2, nullable.field(2), pa.array([40.0, None]))
    folder = shop.settings.landing / "sentiment"
    folder.mkdir(parents=True)
    pq.write_table(holed, folder / "holed.parquet")
    (message,) = shop.load().rejected
    assert message.startswith("sentiment/holed.parquet: ")
    assert "index_value" in message
    assert count(shop) == 0
    assert count(shop, "meta.landing_file") == 0


def test_files_that_are_still_being_written_are_passed_by(shop):
    folder = shop.settings.landing / "sentiment"
    folder.mkdir(parents=True)
    (folder / "monday.parquet.part").write_bytes(b"PAR1 half")
    report = shop.load()
    assert (report.file_count, report.rejected) == (0, ())


def test_a_moved_home_knows_its_files(shop, tmp_path):
    """Names are kept below the landing folder, so a home may be moved."""
    shop.land("sentiment", sentiment(40.0), "monday")
    shop.load()
    shutil.copytree(shop.settings.landing, tmp_path / "elsewhere")
    from warehouse.load import load_landing_files

    again = load_landing_files(
        shop.connection, tmp_path / "elsewhere", run_id="again", loaded_at=END
    )
    assert again.file_count == 0


INSTRUMENT = instrument_row()
KEY = {"venue": "binance", "instrument": "BTC/USDT:USDT"}
PRICES = {"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0}
BAR = {**KEY, **PRICES, "bar_seconds": 300, "volume_quantity": 5.0}
BRACKET = {
    **KEY,
    "bracket": 1,
    "notional_floor_usd": 0.0,
    "maintenance_margin_ratio": 0.005,
    "maintenance_deduction_usd": 0.0,
    "max_leverage": 100.0,
    "liquidation_fee_ratio": 0.0,
}


def pending(shop):
    return shop.rows("select asset, min(from_at)::varchar from meta.pending_build group by asset")


def forget_pending(shop):
    shop.connection.execute("delete from meta.pending_build")
    shop.connection.execute("delete from meta.pending_publish")


@pytest.fixture
def known(shop):
    shop.take_in({"instrument": table_of("instrument", [INSTRUMENT])})
    forget_pending(shop)
    return shop


def test_a_bar_puts_the_maps_after_its_open_out_of_date(known):
    known.take_in({"ohlcv": table_of("ohlcv", [{**BAR, "bar_start_at": START + 10 * DAY}])})
    assert pending(known) == [("BTC", "2026-02-08 00:00:00+00")]


def test_open_interest_puts_the_bar_that_ends_at_it_out_of_date(known):
    row = {**KEY, "observed_at": START + DAY, "open_interest_quantity": 5.0}
    known.take_in({"open_interest": table_of("open_interest", [row])})
    assert pending(known) == [("BTC", "2026-01-29 23:59:00+00")]


def test_the_first_brackets_put_everything_out_of_date(known):
    """The oldest brackets known stand for the time before them."""
    row = {**BRACKET, "valid_from_at": START}
    known.take_in({"leverage_bracket": table_of("leverage_bracket", [row])})
    assert pending(known) == [("BTC", "-infinity")]


def test_later_brackets_put_what_follows_out_of_date(known):
    first = {**BRACKET, "valid_from_at": START}
    known.take_in({"leverage_bracket": table_of("leverage_bracket", [first])})
    forget_pending(known)
    later = {**BRACKET, "valid_from_at": START + DAY}
    known.take_in({"leverage_bracket": table_of("leverage_bracket", [later])})
    assert pending(known) == [("BTC", "2026-01-29 23:59:00+00")]


def test_brackets_older_than_all_known_put_everything_out_of_date(known):
    first = {**BRACKET, "valid_from_at": START}
    known.take_in({"leverage_bracket": table_of("leverage_bracket", [first])})
    forget_pending(known)
    older = {**BRACKET, "valid_from_at": START - DAY}
    known.take_in({"leverage_bracket": table_of("leverage_bracket", [older])})
    assert pending(known) == [("BTC", "-infinity")]


def test_bars_that_came_before_their_instrument_wait_for_it(shop):
    shop.take_in({"ohlcv": table_of("ohlcv", [{**BAR, "bar_start_at": START}])})
    assert pending(shop) == []
    shop.take_in({"instrument": table_of("instrument", [INSTRUMENT])})
    assert pending(shop) == [("BTC", "2026-01-29 00:00:00+00")]


def test_the_same_description_of_an_instrument_changes_nothing(known):
    known.take_in({"ohlcv": table_of("ohlcv", [{**BAR, "bar_start_at": START}])})
    forget_pending(known)
    again = {**INSTRUMENT, "observed_at": START + DAY, "tick_size": 0.1}
    known.take_in({"instrument": table_of("instrument", [again])})
    assert pending(known) == []


def test_an_instrument_that_changes_its_asset_puts_both_out_of_date(known):
    known.take_in({"ohlcv": table_of("ohlcv", [{**BAR, "bar_start_at": START}])})
    forget_pending(known)
    renamed = {**INSTRUMENT, "asset": "XBT", "observed_at": START + DAY}
    known.take_in({"instrument": table_of("instrument", [renamed])})
    assert sorted(pending(known)) == [
        ("BTC", "2026-01-29 00:00:00+00"),
        ("XBT", "2026-01-29 00:00:00+00"),
    ]


def days(shop):
    return [
        day
        for (day,) in shop.rows(
            "select distinct published_day::varchar from meta.pending_publish order by all"
        )
    ]


@pytest.mark.parametrize(
    ("kind", "row", "expected"),
    [
        # Stands in every hour of the day after it, and tells the intervals of the two before it.
        (
            "funding_rate",
            {**KEY, "funded_at": START + timedelta(hours=15), "funding_rate_ratio": 0.0001},
            ["2026-01-28", "2026-01-29", "2026-01-30"],
        ),
        # May belong to the hour that ends at midnight, which is the next day's first.
        (
            "realised_liquidation",
            {
                **KEY,
                "period_start_at": START + timedelta(hours=23, minutes=30),
                "period_seconds": 300,
                "side": "long",
                "is_complete_feed": True,
                "order_key": "",
            },
            ["2026-01-29", "2026-01-30"],
        ),
        (
            "long_short_ratio",
            {
                **KEY,
                "observed_at": START + timedelta(hours=23, minutes=30),
                "measure": "accounts",
                "long_short_ratio": 1.2,
            },
            ["2026-01-29", "2026-01-30"],
        ),
        # Stands for two days.
        (
            "sentiment",
            {"index_name": "fear_greed", "observed_at": START, "index_value": 40.0},
            ["2026-01-29", "2026-01-30", "2026-01-31"],
        ),
    ],
)
def test_what_stands_beside_the_maps_puts_its_days_up_to_be_published(known, kind, row, expected):
    known.take_in({kind: table_of(kind, [row])})
    assert days(known) == expected
    assert pending(known) == []


def test_what_is_no_file_is_named_and_costs_nothing_else(shop):
    folder = shop.settings.landing / "ohlcv"
    folder.mkdir(parents=True)
    (folder / "a.parquet").mkdir()
    (folder / "b.parquet").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "c.parquet")
    report = shop.load()
    assert [message.split(":")[0] for message in report.rejected] == [
        "ohlcv/a.parquet",
        "ohlcv/b.parquet",
        "ohlcv/c.parquet",
    ]


def test_a_name_that_is_no_text_costs_only_itself(shop):
    landed = shop.land("sentiment", sentiment(40.0), "monday")
    strange = os.fsencode(landed.with_name("tues")) + b"\xff.parquet"
    shutil.copy(os.fsencode(landed), strange)
    report = shop.load()
    assert report.rejected == (r"b'sentiment/tues\xff.parquet': its name is not UTF-8; rename it",)
    assert count(shop) == report.rows_by_kind["sentiment"] == 1
    landed.with_name("torn.parquet").write_bytes(landed.read_bytes()[:-20])
    moved, _ = move_to_history(shop.connection, shop.settings.landing, shop.settings.raw, END + DAY)
    assert (moved, strange in map(os.fsencode, landed.parent.iterdir())) == (1, True)


@pytest.mark.parametrize("name", ["a*", "a?", "[a]1", "**"])
def test_a_name_like_a_pattern_is_one_file(shop, name):
    for number, each in enumerate(("a1", "a2", name)):
        shop.land("sentiment", sentiment(40.0 + number), each)
    assert shop.load().rows_by_kind == {"sentiment": 3}
    assert count(shop) == 3
    move_to_history(shop.connection, shop.settings.landing, shop.settings.raw, END + DAY)
    (moved,) = shop.settings.raw.glob("sentiment/*/data.parquet")
    assert sorted(pq.ParquetFile(moved).read(["index_value"])[0].to_pylist()) == [40.0, 41.0, 42.0]


def test_files_of_other_types_than_the_first_keep_their_figures(shop):
    landed = shop.land("sentiment", sentiment(40.0), "first")
    table = pq.ParquetFile(landed).read()
    place = table.column_names.index("index_value")
    whole = table.set_column(place, "index_value", pa.array([40], pa.int64()))
    pq.write_table(whole.replace_schema_metadata(table.schema.metadata), landed)
    shop.land("sentiment", sentiment(40.0, 50.25), "second")
    assert shop.load().rejected == ()
    assert shop.one("select max(index_value) from raw.sentiment") == 50.25
    move_to_history(shop.connection, shop.settings.landing, shop.settings.raw, END + DAY)
    (moved,) = shop.settings.raw.glob("sentiment/*/data.parquet")
    assert max(pq.ParquetFile(moved).read(["index_value"])[0].to_pylist()) == 50.25


def test_a_known_file_that_goes_meanwhile_is_no_error(shop, monkeypatch):
    landed = shop.land("sentiment", sentiment(40.0), "monday")
    shop.load()
    landed.unlink()
    monkeypatch.setattr(Path, "glob", lambda self, _: [landed] if self == landed.parent else [])
    assert shop.load().rejected == ()


@pytest.mark.parametrize("place", [0, 20, 39])
def test_a_file_that_is_refused_costs_the_others_few_transactions(shop, monkeypatch, place):
    for number in range(40):
        shop.land("sentiment", sentiment(40.0 + number), f"{number:02d}")
    bad = shop.settings.landing / "sentiment" / f"{place:02d}.parquet"
    table = pq.ParquetFile(bad).read()
    column = table.column_names.index("index_value")
    pq.write_table(table.set_column(column, "index_value", pa.array([None], pa.float64())), bad)
    begun = []

    def noted(connection):
        begun.append(1)
        return transaction(connection)

    monkeypatch.setattr(load, "transaction", noted)
    reports = []
    report = load.load_landing_files(
        shop.connection,
        shop.settings.landing,
        run_id="load",
        loaded_at=END,
        on_loaded=reports.append,
    )
    assert (report.rows_by_kind, report.file_count) == ({"sentiment": 39}, 39)
    assert [message.split(":")[0] for message in report.rejected] == [f"sentiment/{bad.name}"]
    assert count(shop) == count(shop, "meta.landing_file") == 39
    assert len(begun) <= 15
    assert reports[-1] == report


def test_late_liquidations_put_the_captures_of_a_week_out_of_date(shop):
    shop.land("instrument", table_of("instrument", [instrument_row()]))
    shop.load()
    shop.connection.execute(
        "insert into meta.built_asset values ('BTC', 'path_ledger', 'hash', ?, ?)",
        [START + 30 * DAY, START + 30 * DAY],
    )
    shop.land(
        "realised_liquidation",
        table_of(
            "realised_liquidation",
            [
                {
                    "venue": "binance",
                    "instrument": "BTC/USDT:USDT",
                    "period_start_at": START + at,
                    "period_seconds": 0,
                    "side": "long",
                    "liquidated_usd": 1.0,
                    "is_complete_feed": True,
                    "order_key": "",
                }
                # Long ago, within a week of what is built, and in an hour that is not built yet.
                for at in (DAY + HOUR / 2, 28 * DAY, 31 * DAY)
            ],
        ),
    )
    shop.load()
    assert shop.rows("from meta.pending_build") == [("BTC", START + 28 * DAY + HOUR)]
    assert shop.rows("from meta.pending_capture") == [
        ("BTC", START + DAY + HOUR, START + 8 * DAY + HOUR)
    ]
