"""Published Parquet holds every day as the marts have it."""

import shutil
from datetime import timedelta

import duckdb
import pyarrow.parquet as pq
import pytest
from workbench import END, HOUR, START, table_of, workshop
from workbench.publishing import LAST, copied, mark_day_changed, publish_days, publish_file

from jobs.publish.publish import publish
from jobs.settings import Settings
from jobs.writer import open_writer
from transforms.estimators import ESTIMATORS
from warehouse import publication
from warehouse.as_published import PUBLICATION_RECORDS
from warehouse.contracts import public_relations
from warehouse.parquet_by_day import changed_days, lost_days


def to_nine_digits(relation):
    """Return the columns of a relation; sums of parallel threads differ in their last bits."""
    return ", ".join(
        f'printf(\'%.9e\', "{column.name}") as "{column.name}"'
        if column.type == "DOUBLE"
        else f'"{column.name}"'
        for column in relation.columns
    )


def assert_parquet_equals_marts(shop):
    """Every day of every hourly relation is in Parquet as the writer sees it."""
    folder = shop.settings.published / "parquet"
    for relation in public_relations():
        # Records of publications are written when the file is swapped in.
        if not relation.is_hourly or relation.name in PUBLICATION_RECORDS:
            continue
        name = relation.name.split(".")[1]
        if not relation.is_by_day:
            assert not (folder / name).exists()
            continue
        days = shop.rows(f"select distinct as_of::date::varchar from {relation.name}")
        files = sorted(folder.glob(f"{name}/*/data.parquet"))
        assert {path.parent.name for path in files} == {f"day={day}" for (day,) in days}, name
        if not files:
            continue
        columns = to_nine_digits(relation)
        stored = (
            f"select {columns} from read_parquet("
            f"'{folder}/{name}/*/data.parquet', hive_partitioning = false)"
        )
        seen = f"select {columns} from {relation.name}"
        for one, other in ((stored, seen), (seen, stored)):
            assert shop.one(f"select count(*) from ({one} except all {other})") == 0, name


def test_parquet_holds_what_the_marts_hold(shop):
    days = publish_days(shop)
    # Payments of funding settle the intervals before them, on the day before.
    assert [day.isoformat() for day in days][:2] == ["2026-01-28", "2026-01-29"]
    assert_parquet_equals_marts(shop)
    assert changed_days(shop.connection) == []


def test_parquet_carries_the_comments_of_its_columns(small_home):
    compared = 0
    for relation in public_relations():
        folder = Settings(home=small_home).published / "parquet" / relation.name.split(".")[1]
        for path in sorted(folder.glob("*/data.parquet"))[:1]:
            schema = pq.read_schema(path)
            kept = {key.decode(): text.decode() for key, text in schema.metadata.items()}
            assert kept.pop("comment") == relation.description
            assert kept == {f"comment.{each.name}": each.comment for each in relation.columns}
            assert kept.keys() == {f"comment.{name}" for name in schema.names}
            compared += 1
    assert compared >= 10
    maps = small_home / "published/parquet/liquidation_heatmap_hourly"
    stock = "select decode(value) from parquet_kv_metadata(?) where decode(key) = ?"
    (comment,) = duckdb.execute(
        stock, [str(next(maps.glob("*/data.parquet"))), "comment.liquidation_usd"]
    ).fetchone()
    assert "never over hours" in comment


def test_hours_without_a_bar_are_published_too(shop):
    """A map is shown for a day after the last bar."""
    publish_days(shop)
    shop.build(LAST + 30 * HOUR, [ESTIMATORS["turnover"]])
    assert [day.isoformat() for day in publish_days(shop)] == ["2026-01-30", "2026-01-31"]
    assert_parquet_equals_marts(shop)


def test_a_day_that_was_not_finished_is_written_again(shop, monkeypatch):
    monkeypatch.setattr(publication, "_DAYS_AT_ONCE", 1)
    days = changed_days(shop.connection)

    def killed(day):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish_days(shop, on_day=killed)
    assert changed_days(shop.connection) == days[1:]
    publish_days(shop)
    assert_parquet_equals_marts(shop)


def test_a_home_with_odd_characters_is_published(built, tmp_path):
    with workshop(copied(built, tmp_path / "it's a home; with spaces")) as shop:
        publish_days(shop)
        path, _ = publish_file(shop)
    assert path.exists()
    assert len(list(shop.settings.published.rglob("data.parquet"))) >= 2


def test_a_day_in_which_nothing_stands_has_no_file(shop):
    publish_days(shop)
    shop.connection.execute("insert into meta.pending_publish values ('2026-03-01')")
    publish_days(shop)
    assert not list(shop.settings.published.rglob("day=2026-03-01/data.parquet"))


def test_an_hour_more_costs_a_day_more(shop):
    publish_days(shop)
    before = {
        path: path.stat().st_mtime_ns for path in shop.settings.published.rglob("data.parquet")
    }
    shop.build(LAST + timedelta(hours=1), [ESTIMATORS["turnover"]])
    publish_days(shop)
    rewritten = {
        path.parent.name
        for path in shop.settings.published.rglob("data.parquet")
        if before.get(path) != path.stat().st_mtime_ns
    }
    assert rewritten == {"day=2026-01-30"}


def test_a_reader_lists_only_finished_files_whatever_a_kill_left(shop):
    publish_days(shop)
    folder = shop.settings.published
    glob = f"select count(*) from '{folder}/parquet/series_books_hourly/*/*.parquet'"
    before = duckdb.sql(glob).fetchone()
    mark_day_changed(shop)
    with pytest.raises(KeyboardInterrupt):
        publish_days(shop, on_day=interrupted)
    (folder / ".writing" / "series_books_hourly-2026-01-30").write_bytes(b"PAR1 half")
    assert duckdb.sql(glob).fetchone() == before


def interrupted(day):
    raise KeyboardInterrupt


def test_a_day_that_loses_its_rows_keeps_an_empty_file(shop):
    """Who has listed the files finds each."""
    publish_days(shop)
    (stored,) = shop.settings.published.glob("parquet/series_books_hourly/day=2026-01-30/*")
    shop.connection.execute("delete from derived.series_hour")
    mark_day_changed(shop)
    publish_days(shop)
    assert pq.read_metadata(stored).num_rows == 0


def test_a_day_of_parquet_that_was_deleted_is_written_again(home):
    settings = Settings(home=home)
    maps = sorted(settings.published.glob("parquet/liquidation_heatmap_hourly/day=*"))
    # Threads write rows in any order.
    rows = "select count(*), sum(hash(row)::hugeint) from read_parquet(?) as row"
    stored = str(maps[1] / "data.parquet")
    before = duckdb.execute(rows, [stored]).fetchall()
    shutil.rmtree(maps[1])
    with open_writer(settings) as connection:
        assert [f"day={day}" for day in lost_days(connection, settings.published)] == [maps[1].name]
    publish(settings, as_of=END)
    assert duckdb.execute(rows, [stored]).fetchall() == before


def test_late_liquidations_change_the_forecasts_of_two_weeks(home):
    with workshop(home) as shop:
        publish_days(shop)
        late = {
            "venue": "sim_alpha",
            "instrument": "BTC/USDT:USDT",
            "period_start_at": START + HOUR,
            "period_seconds": 3600,
            "side": "long",
            "liquidated_usd": 1.0,
            "is_complete_feed": True,
            "order_key": "",
        }
        shop.take_in({"realised_liquidation": table_of("realised_liquidation", [late])})
        days = (END.date() - START.date()).days
        assert changed_days(shop.connection) == [
            START.date() + timedelta(days=day) for day in range(days + 1)
        ]
