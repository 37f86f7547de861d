"""Models are one SELECT with a header, in the order of what they read."""

import duckdb
import pytest
from workbench import HOUR, START, workshop

from warehouse import models as modelling
from warehouse.errors import ContractViolation
from warehouse.models import macros, models, read_model, run_incremental_models, tables_behind

HEADER = "-- Things by day.\n--\n-- Grain: day, thing\n-- Materialized: view\n"
SELECT = "select 1 as day, 2 as thing from raw.ohlcv"


def written(folder, text):
    path = folder / "staging" / "stg_thing.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_model_is_read_from_its_place_and_header(tmp_path):
    model = read_model(written(tmp_path, f"{HEADER}\n{SELECT}\n"))
    assert model.name == "staging.stg_thing"
    assert model.grain == ("day", "thing")
    assert model.materialized == "view"
    assert model.reads == ("raw.ohlcv",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SELECT, "a model opens with"),
        (HEADER.replace("-- Grain: day, thing\n", "") + SELECT, "a model opens with"),
        (HEADER.replace("view", "magic") + SELECT, "a model opens with"),
        (HEADER.replace("view", "table") + SELECT, "write stg_thing.yaml beside it"),
        (HEADER + "create table x (a integer)", "not one SELECT"),
        (HEADER + "selec 1", "not one SELECT"),
        (HEADER + f"{SELECT}; {SELECT}", "2 statements, expected one"),
    ],
)
def test_a_model_that_is_anything_else_is_refused(tmp_path, text, message):
    with pytest.raises(ContractViolation, match=f"stg_thing.sql: .*{message}"):
        read_model(written(tmp_path, text))


def test_a_grain_is_written_once_in_the_contract_where_there_is_one(tmp_path):
    folder = tmp_path / "marts"
    folder.mkdir()
    path = folder / "data_feeds.sql"
    path.write_text(HEADER + SELECT)
    with pytest.raises(ContractViolation, match=r"unless a contract beside it \(data_feeds.yaml\)"):
        read_model(path)
    path.write_text(HEADER.replace("-- Grain: day, thing\n", "") + SELECT)
    assert read_model(path).grain == ("venue", "instrument", "kind")


def test_reads_are_found_in_joins_subqueries_and_ctes(tmp_path):
    text = HEADER + (
        "with a as (select * from raw.ohlcv), b as (select * from a) "
        "select * from b inner join staging.stg_instrument using (venue) "
        "where venue in (select venue from (select * from raw.sentiment))"
    )
    assert read_model(written(tmp_path, text)).reads == (
        "raw.ohlcv",
        "raw.sentiment",
        "staging.stg_instrument",
    )


def test_every_model_comes_after_what_it_reads():
    seen = set()
    made = {model.name for model in models()}
    for model in models():
        assert set(model.reads) & made <= seen
        seen.add(model.name)


def test_a_model_that_reads_what_nothing_makes_is_refused(tmp_path, monkeypatch):
    written(tmp_path, HEADER + "select 1 as day from raw.nothing")
    monkeypatch.setattr(modelling, "SQL_FOLDER", tmp_path)
    models.cache_clear()
    try:
        with pytest.raises(ContractViolation, match=r"reads raw\.nothing, which nothing makes"):
            models()
    finally:
        models.cache_clear()


def test_tables_behind_a_model_are_followed_through_views():
    by_name = {model.name: model for model in models()}
    assert tables_behind(by_name["marts.liquidation_heatmap_hourly"]) == (
        "marts.liquidation_heatmap_arrays",
    )
    assert "raw.ohlcv" in tables_behind(by_name["intermediate.int_bar"])


def test_incremental_models_replace_only_the_requested_hours_and_assets(tmp_path, market_records):
    hours = (
        "select asset, as_of, min(close) from intermediate.int_instrument_hour "
        "group by all order by all"
    )
    with workshop(tmp_path) as shop:
        shop.take_in(market_records)
        run_incremental_models(shop.connection, ["BTC", "THIN"], START, START + 5 * HOUR)
        once = shop.rows(hours)
        shop.connection.execute("update intermediate.int_instrument_hour set close = 0")
        run_incremental_models(shop.connection, ["BTC"], START + HOUR, START + 3 * HOUR)
        zeroed = [(asset, as_of) for asset, as_of, close in shop.rows(hours) if close == 0]
        assert [(a, t, 0.0) for a, t in zeroed] == [
            (asset, as_of, 0.0)
            for asset, as_of, _ in once
            if asset == "THIN" or not START + HOUR < as_of <= START + 3 * HOUR
        ]
        run_incremental_models(shop.connection, ["BTC", "THIN"], START, START + 5 * HOUR)
        assert shop.rows(hours) == once
        assert shop.one("select getvariable('window_start')") is None


def test_edges_of_bins_are_those_of_exact_decimals():
    with duckdb.connect() as connection:
        connection.execute(macros())
        differing = connection.execute(
            "select bin_index from range(-20000, 20000) as bins(bin_index) "
            "where bin_edge(bin_index) <> exp((2 * bin_index - 0.5) * 0.001)"
        ).fetchall()
    assert differing == []
