"""A home of an earlier release comes out right: stored rows, and files that wait to be loaded."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workbench import END, HOUR, START, instrument_row, workshop

from sources.records import SCHEMAS
from sources.venue_names import ALIASES
from warehouse.migrate import migrate, migration_files

RENAMING = "0009_rename_venues_and_count_sides.sql"
# (venue, instrument, quantity, amount, unit), as earlier releases made them.
HELD = [
    ("hyperliquid", "BTC/USDC:USDC", 30_000.0, 30_000.0, "base"),
    ("hyperliquid", "KPEPE/USDC:USDC", 4e9, 4e6, "base"),
    # A mapping had said that both sides were counted.
    ("hyperliquid", "ETH/USDC:USDC", 50.0, 100.0, "base"),
    # In USD there is only a price between the two.
    ("hyperliquid", "SOL/USDC:USDC", 900.0, None, None),
    ("bybit", "BTC/USDT:USDT", 20_000.0, 40_000.0, "base"),
    ("okx", "BTC/USDT:USDT", 28_000.0, 2.8e6, "contracts"),
    ("kucoinfutures", "BTC/USDT:USDT", 7_000.0, 7e6, "contracts"),
]
RIGHT = [
    ("bybit", "BTC/USDT:USDT", 20_000.0, 40_000.0, 2),
    ("hyperliquid", "BTC/USDC:USDC", 15_000.0, 30_000.0, 2),
    ("hyperliquid", "ETH/USDC:USDC", 50.0, 100.0, 2),
    ("hyperliquid", "KPEPE/USDC:USDC", 2e9, 4e6, 2),
    ("hyperliquid", "SOL/USDC:USDC", 450.0, None, 2),
    ("kucoin", "BTC/USDT:USDT", 7_000.0, 7e6, 1),
    ("okx", "BTC/USDT:USDT", 28_000.0, 2.8e6, 1),
]
QUERY = (
    "select venue, instrument, open_interest_quantity, received_amount, sides_counted "
    "from raw.open_interest order by venue, instrument"
)


@pytest.fixture
def old_home():
    """Yield a database as the first release left it, and the migrations still to come."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for path in migration_files():
            if path.name < "0007":
                connection.execute(path.read_text())
        yield connection


def upgrade(connection):
    connection.execute(
        next(path.read_text() for path in migration_files() if path.name == RENAMING)
    )


def hold(connection):
    for venue, instrument, quantity, amount, unit in HELD:
        asset = instrument.partition("/")[0].removeprefix("K")
        connection.execute(
            "insert into raw.instrument values (?, ?, ?, 'USDT', 'linear', 1, 1, null, true, "
            "$4, 'x', $4)".replace("$4", "timestamptz '2026-01-01'"),
            [venue, instrument, asset],
        )
        connection.execute(
            "insert into raw.open_interest values (?, ?, timestamptz '2026-01-01', ?, ?, ?, null, "
            "null, 'x', timestamptz '2026-01-01')",
            [venue, instrument, quantity, amount, unit],
        )


def test_stored_open_interest_is_halved_once_and_shows_its_sides(old_home):
    hold(old_home)
    upgrade(old_home)
    assert old_home.execute(QUERY).fetchall() == RIGHT


def test_assets_with_changed_rows_are_built_again_from_the_beginning(old_home):
    hold(old_home)
    upgrade(old_home)
    pending = old_home.execute(
        "select distinct asset, from_at::varchar from meta.pending_build order by asset"
    ).fetchall()
    # XRP would not be among them; BTC is on hyperliquid and on kucoin.
    assert pending == [(name, "-infinity") for name in ("BTC", "ETH", "PEPE", "SOL")]


def test_no_row_keeps_an_old_name(old_home):
    for table, columns in (
        ("raw.ohlcv", "venue, instrument, bar_start_at, bar_seconds, open, high, low, close, "
         "volume_quantity, source, ingested_at"),
        ("meta.feed_gap", "venue, instrument, kind, gap_from, gap_to"),
    ):  # fmt: skip
        marks = ", ".join(
            "'kucoinfutures'" if name == "venue"
            else "timestamptz '2026-01-01'" if name.endswith("_at") or name.startswith("gap_")
            else "'x'" if name in ("instrument", "source", "kind")
            else "1"
            for name in columns.split(", ")
        )  # fmt: skip
        old_home.execute(f"insert into {table} ({columns}) values ({marks})")
    upgrade(old_home)
    assert old_home.execute("select venue from raw.ohlcv").fetchall() == [("kucoin",)]
    assert old_home.execute("select venue from meta.feed_gap").fetchall() == [("kucoin",)]


def test_every_table_with_a_venue_is_renamed(old_home):
    tables = old_home.execute(
        "select distinct schema_name || '.' || table_name from duckdb_columns() "
        "where column_name in ('venue', 'venue_scope', 'venue_a') and schema_name != 'marts'"
    ).fetchall()
    text = next(path.read_text() for path in migration_files() if path.name == RENAMING)
    for (table,) in tables:
        assert f"update {table} " in text or f"drop table {table};" in text, table


def test_the_names_of_the_migration_are_those_at_the_door(tmp_path):
    with duckdb.connect() as connection:
        migrate(connection)
        for alias, name in ALIASES.items():
            row = connection.execute("select meta.venue_name(?)", [alias]).fetchone()
            assert row == (name,)
        row = connection.execute("select meta.venue_name('OKEx+Binance'), meta.venue_name(null)")
        assert row.fetchone() == ("binance+okx", None)


def old_file(folder, kind, rows, without):
    """Write a landing file as earlier releases did: fewer columns, no mark."""
    schema = pa.schema([field for field in SCHEMAS[kind] if field.name not in without])
    table = pa.Table.from_pylist(
        [{"source": "x", "ingested_at": START, **row} for row in rows], schema=schema
    )
    (folder / kind).mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / kind / "waiting.parquet")


def test_files_of_an_earlier_release_that_wait_are_loaded_as_this_one_writes_them(tmp_path):
    with workshop(tmp_path) as shop:
        landing = shop.settings.landing
        old_file(
            landing,
            "open_interest",
            [
                {
                    "venue": venue,
                    "instrument": instrument,
                    "observed_at": START + HOUR,
                    "open_interest_quantity": quantity,
                    "received_amount": amount,
                    "received_amount_unit": unit,
                }
                for venue, instrument, quantity, amount, unit in HELD
            ],
            without=("sides_counted",),
        )
        old_file(
            landing,
            "instrument",
            [instrument_row(venue="kucoinfutures", contract_size=0.001)],
            without=("lot_quantity",),
        )
        report = shop.load()
        assert report.rejected == ()
        assert shop.rows(QUERY) == RIGHT
        assert shop.rows("select venue, contract_size, lot_quantity from raw.instrument") == [
            ("kucoin", 0.001, None)
        ]


def test_brackets_of_an_earlier_release_lose_deductions_that_no_venue_publishes(tmp_path):
    brackets = {
        "instrument": "BTC/USDT:USDT",
        "valid_from_at": START,
        "bracket": 2,
        "notional_floor_usd": 5e3,
        "maintenance_margin_ratio": 0.02,
        "maintenance_deduction_usd": 50.0,
        "max_leverage": 25.0,
    }
    with workshop(tmp_path) as shop:
        old_file(
            shop.settings.landing,
            "leverage_bracket",
            [{**brackets, "venue": venue} for venue in ("okx", "kucoinfutures", "binance")],
            without=("liquidation_fee_ratio",),
        )
        assert shop.load().rejected == ()
        rows = shop.rows(
            "select venue, maintenance_deduction_usd, liquidation_fee_ratio "
            "from raw.leverage_bracket order by venue"
        )
    assert rows == [("binance", 50.0, 0.0), ("kucoin", 0.0, 0.0006), ("okx", 0.0, 0.0005)]


def test_a_file_of_this_release_is_taken_as_it_is(tmp_path):
    row = {
        "venue": "hyperliquid",
        "instrument": "BTC/USDC:USDC",
        "observed_at": START + HOUR,
        "open_interest_quantity": 15_000.0,
        "received_amount": 30_000.0,
        "received_amount_unit": "base",
        "sides_counted": 2,
        "source": "x",
        "ingested_at": END,
    }
    with workshop(tmp_path) as shop:
        shop.land("open_interest", pa.Table.from_pylist([row], schema=SCHEMAS["open_interest"]))
        shop.load()
        assert shop.rows(QUERY) == [("hyperliquid", "BTC/USDC:USDC", 15_000.0, 30_000.0, 2)]


def test_a_file_with_a_column_nobody_knows_is_refused(tmp_path):
    with workshop(tmp_path) as shop:
        folder = shop.settings.landing / "sentiment"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"index_name": ["x"], "mood": [1.0]}), folder / "odd.parquet")
        (message,) = shop.load().rejected
        assert "odd.parquet: columns" in message
