"""Migrations go forward, once, and are never edited."""

import duckdb
import pytest

from warehouse import migrate as migrating
from warehouse.connect import open_warehouse
from warehouse.contracts import relations
from warehouse.errors import ContractViolation
from warehouse.migrate import migrate, migration_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two migrations of our own."""
    own = tmp_path / "migrations"
    own.mkdir()
    (own / "0001_create_ledger.sql").write_text(
        "create schema meta; create table meta.schema_migrations "
        "(name varchar, sha256 varchar, applied_at timestamptz);"
    )
    (own / "0002_create_thing.sql").write_text("create table thing (a integer);")
    (own / "notes.sql").write_text("not a migration")
    monkeypatch.setattr(migrating, "_MIGRATIONS", own)
    return own


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


def test_migrations_apply_in_order_and_once(folder, connection):
    assert migrate(connection) == ["0001_create_ledger.sql", "0002_create_thing.sql"]
    assert migrate(connection) == []
    names = connection.execute("select name from meta.schema_migrations order by name").fetchall()
    assert names == [("0001_create_ledger.sql",), ("0002_create_thing.sql",)]


def test_a_migration_that_fails_leaves_neither_its_tables_nor_its_row(folder, connection):
    migrate(connection)
    (folder / "0003_break.sql").write_text("create table half (a integer); create tabel other;")
    with pytest.raises(duckdb.ParserException):
        migrate(connection)
    (folder / "0003_break.sql").write_text(
        "create table half (a integer); insert into nowhere values (1);"
    )
    with pytest.raises(duckdb.CatalogException):
        migrate(connection)
    tables = connection.execute("select table_name from duckdb_tables() order by all").fetchall()
    assert tables == [("schema_migrations",), ("thing",)]
    assert connection.execute("select count(*) from meta.schema_migrations").fetchone() == (2,)
    (folder / "0003_break.sql").write_text("create table half (a integer);")
    assert migrate(connection) == ["0003_break.sql"]


def test_an_edited_migration_is_refused(folder, connection):
    migrate(connection)
    (folder / "0002_create_thing.sql").write_text("create table thing (a bigint);")
    with pytest.raises(ContractViolation, match=r"0002_create_thing\.sql was edited .* restore it"):
        migrate(connection)


def test_a_database_of_a_later_release_is_refused(folder, connection):
    migrate(connection)
    (folder / "0002_create_thing.sql").unlink()
    with pytest.raises(ContractViolation, match=r"0002_create_thing\.sql .* update liqheat"):
        migrate(connection)


def test_each_migration_has_a_number_of_its_own_and_is_named_by_a_verb():
    names = [path.name for path in migration_files()]
    assert len({name[:4] for name in names}) == len(names)
    verbs = {"create", "add", "drop", "rename", "clear", "replace", "rank"}
    assert {name[5:].split("_")[0] for name in names} <= verbs


@pytest.fixture
def before(tmp_path, monkeypatch, connection):
    """Return what migrates the connection up to, but not including, a number."""

    def migrate_before(number):
        older = tmp_path / "older"
        older.mkdir()
        for path in migration_files():
            if path.name < number:
                (older / path.name).write_text(path.read_text())
        with monkeypatch.context() as patch:
            patch.setattr(migrating, "_MIGRATIONS", older)
            migrate(connection)

    return migrate_before


def test_deductions_that_no_venue_publishes_go_and_fees_come(before, connection):
    before("0011")
    for venue, source in (
        ("okx", "ccxt:publicGetPublicPositionTiers"),
        ("okx", "simulated"),
        ("gate", "ccxt:publicFuturesGetSettleRiskLimitTiers"),
        ("bitget", "recorded:leverage_brackets"),
        ("binance", "recorded:leverage_brackets"),
    ):
        connection.execute(
            "insert into raw.leverage_bracket values (?, 'x', '2026-02-01', 2, 5e3, null, 0.02, "
            "50.0, 25.0, ?, '2026-03-01 00:00:00+00')",
            [venue, source],
        )
    connection.execute("insert into meta.built_asset values ('BTC', 't', 'h', now(), now())")
    migrate(connection)
    rows = connection.execute(
        "select venue, source = 'simulated', maintenance_deduction_usd, liquidation_fee_ratio, "
        "max_leverage from raw.leverage_bracket order by all"
    ).fetchall()
    assert rows == [
        ("binance", False, 50.0, 0.0, 25.0),
        ("bitget", False, 0.0, 0.0006, 25.0),
        ("gate", False, 50.0, 0.00075, 25.0),
        ("okx", False, 0.0, 0.0005, 25.0),
        ("okx", True, 50.0, 0.0, 25.0),
    ]
    pending = connection.execute(
        "select asset, from_at::varchar from meta.pending_build where from_at = '-infinity'"
    ).fetchall()
    assert ("BTC", "-infinity") in pending


def test_guessed_funding_intervals_of_live_payments_are_cleared(before, connection):
    before("0010")
    for venue, hours, source in (
        ("bybit", 4, "ccxt:publicGetV5MarketFundingHistory"),
        ("hyperliquid", 1, "ccxt:publicPostInfo"),
        ("binance", 4, "BTCUSDT-fundingRate-2026-02.zip"),
    ):
        connection.execute(
            "insert into raw.funding_rate values (?, 'x', '2026-02-01 08:00:00+00', 1e-4, ?, ?, "
            "'2026-03-01 00:00:00+00')",
            [venue, hours, source],
        )
    migrate(connection)
    rows = connection.execute(
        "select venue, funding_interval_hours from raw.funding_rate"
    ).fetchall()
    assert dict(rows) == {"bybit": None, "hyperliquid": 1.0, "binance": 4.0}
    days = connection.execute("select published_day::varchar from meta.pending_publish").fetchall()
    assert {day for (day,) in days} == {"2026-02-01", "2026-02-02"}


def test_assets_with_venues_set_apart_are_built_again_from_the_first_such_hour(before, connection):
    before("0028")
    connection.execute(
        "insert into intermediate.int_quality_measures by name "
        "select unnest(['X', 'X', 'X', 'FINE']) as asset, unnest(['okx', 'okx', 'gate', 'okx']) "
        "as venue, '2026-03-01 00:00:00+00'::timestamptz + to_hours(unnest([0, 5, 6, 5])) as as_of,"
        " unnest([null, 30.0, 30.0, null]) as set_apart_price_ratio, 1 as instrument_count, "
        "2 as venue_count, 1 as bar_coverage_24h_ratio, 1 as bar_coverage_7d_ratio, "
        "1 as open_interest_coverage_24h_ratio, 1 as open_interest_coverage_7d_ratio"
    )
    connection.execute("delete from meta.pending_build")
    migrate(connection)
    assert connection.execute(
        "select asset, epoch(from_at - '2026-03-01 00:00:00+00'::timestamptz) "
        "from meta.pending_build"
    ).fetchall() == [("X", 4 * 3600.0)]


def test_a_comment_that_a_kill_left_out_is_written_at_the_next_opening(tmp_path):
    path = tmp_path / "warehouse.duckdb"
    with open_warehouse(path) as connection:
        connection.execute("comment on column raw.ohlcv.close is null")
        connection.execute("comment on table raw.ohlcv is 'something else'")
        # Written with the comments, in one transaction.
        connection.execute("drop macro definitions_sha256")
    with open_warehouse(path) as connection:
        (column,) = connection.execute(
            "select comment from duckdb_columns() "
            "where table_name = 'ohlcv' and column_name = 'close'"
        ).fetchone()
        (table,) = connection.execute(
            "select comment from duckdb_tables() where table_name = 'ohlcv'"
        ).fetchone()
    declared = relations()["raw.ohlcv"]
    assert table == declared.description
    assert column == next(one.comment for one in declared.columns if one.name == "close")
