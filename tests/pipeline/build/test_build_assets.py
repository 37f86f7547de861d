"""However records arrive and builds are cut up, the rows are those of one full rebuild."""

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from workbench import END, HOUR, differences, instants, stamped, where, with_column, workshop
from workbench.rebuilds import (
    BAR_HOURS,
    INVERSE,
    LINEAR,
    ONE,
    assert_equals_rebuild,
    hour,
    of,
    only,
    until,
    without,
)

from jobs.build import limits
from jobs.build.build_assets import BuildReport, build_assets
from jobs.errors import BooksDoNotBalance
from transforms.estimators import ESTIMATORS


def test_in_windows(tmp_path, bitcoin, built_at_once, monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_DAYS", 1)
    with workshop(tmp_path / "cut") as cut:
        cut.take_in(bitcoin)
        cut.build(END, ONE)
    assert not differences(
        built_at_once / "warehouse.duckdb", tmp_path / "cut" / "warehouse.duckdb"
    )


def test_a_second_build_finds_nothing_to_do(shop):
    assert shop.build(END, ONE) == BuildReport(0, 0, 0, 0)


@pytest.mark.parametrize("late_at", [30.0, 48.0, 95.5])
def test_a_late_bar(tmp_path, bitcoin, built_at_once, late_at):
    late = only(bitcoin, "ohlcv", LINEAR, late_at, late_at + BAR_HOURS)
    early = without(bitcoin, "ohlcv", LINEAR, late_at, late_at + BAR_HOURS)
    assert_equals_rebuild(tmp_path, [(END, early), (END, late)], rebuilt=built_at_once)


def corrected(rows, column, factor):
    """Return rows of one kind as they are sent again, a column times a factor."""
    ((kind, table),) = rows.items()
    values = table[column].to_numpy() * factor
    return {kind: stamped(with_column(table, column, values), END + HOUR)}


def test_a_late_bar_that_comes_with_a_new_hour(tmp_path, bitcoin, built_at_once):
    late = only(bitcoin, "ohlcv", LINEAR, 30.0, 30.0 + BAR_HOURS)
    early = without(bitcoin, "ohlcv", LINEAR, 30.0, 30.0 + BAR_HOURS)
    new = until(early, 96, 95)
    both = {**new, "ohlcv": pa.concat_tables([new["ohlcv"], late["ohlcv"]])}
    arrivals = [(hour(95), until(early, 95)), (END, both)]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


@pytest.mark.parametrize("series", [LINEAR, INVERSE])
def test_a_corrected_bar(tmp_path, bitcoin, built_at_once, series):
    rows = only(bitcoin, "ohlcv", series, 50.0, 51.0)
    arrivals = [(END, bitcoin), (END, corrected(rows, "volume_quantity", 1.5))]
    assert_equals_rebuild(tmp_path, arrivals, begun=built_at_once)


def test_corrected_open_interest(tmp_path, bitcoin, built_at_once):
    rows = only(bitcoin, "open_interest", LINEAR, 48.0, 48.01)
    arrivals = [(END, bitcoin), (END, corrected(rows, "open_interest_quantity", 1.01))]
    assert_equals_rebuild(tmp_path, arrivals, begun=built_at_once)


def test_late_mark_prices(tmp_path, bitcoin, built_at_once):
    late = only(bitcoin, "mark_ohlc", INVERSE, 40.0, 60.0)
    early = without(bitcoin, "mark_ohlc", INVERSE, 40.0, 60.0)
    assert_equals_rebuild(tmp_path, [(END, early), (END, late)], rebuilt=built_at_once)


@pytest.mark.parametrize(
    ("first", "last"),
    [(30.0, 30.5), (47.0, 49.0), (20.0, 60.0), (-1.0, 10.0)],
    ids=["short", "over a midnight", "over two midnights", "at the beginning"],
)
def test_a_hole_in_open_interest_that_is_filled_late(tmp_path, bitcoin, built_at_once, first, last):
    late = only(bitcoin, "open_interest", LINEAR, first, last)
    early = without(bitcoin, "open_interest", LINEAR, first, last)
    assert_equals_rebuild(tmp_path, [(END, early), (END, late)], rebuilt=built_at_once)


def test_what_has_landed_ahead_is_built_when_its_time_comes(tmp_path, bitcoin, built_at_once):
    arrivals = [(hour(5), bitcoin), *((hour(now), {}) for now in (6, 30, 96))]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


def test_parameters_that_change_replace_all_maps(tmp_path, bitcoin):
    other = (replace(ESTIMATORS["turnover"], turnover_ratio=0.5), ESTIMATORS["volume_profile"])
    with workshop(tmp_path / "grown") as grown, workshop(tmp_path / "rebuilt") as rebuilt:
        for shop, sets in ((grown, (ONE, other)), (rebuilt, (other,))):
            shop.take_in(bitcoin)
            for estimators in sets:
                shop.build(END, estimators)
        assert grown.rows(
            "select distinct provider, params_hash from derived.heatmap order by all"
        ) == sorted((each.provider, each.params_hash) for each in other)
        # Both sets of assumptions stay on record.
        known = "select count(distinct params_hash) from derived.estimator_parameter"
        assert grown.one(f"{known} where provider <> 'consensus'") == 3
    found = differences(
        tmp_path / "grown" / "warehouse.duckdb", tmp_path / "rebuilt" / "warehouse.duckdb"
    )
    assert all(name.startswith("derived.estimator_parameter") for name in found)


def test_states_of_another_version_are_replaced_and_not_read(tmp_path, built_at_once):
    grown = shutil.copytree(built_at_once, tmp_path / "grown")
    with workshop(grown) as shop:
        for table in ("derived.model_checkpoint", "meta.built_asset"):
            shop.connection.execute(f"update {table} set params_hash = 'of version 1'")
        shop.connection.execute(
            "update derived.model_checkpoint set state = 'LIQHEAT\\x01 and other bytes'::blob"
        )
        shop.build(END, ONE)
    assert not differences(grown / "warehouse.duckdb", built_at_once / "warehouse.duckdb")


def test_an_earlier_hour_loses_no_rows(shop, bitcoin):
    before = shop.one("select count(*) from derived.heatmap")
    shop.build(hour(50), ONE)
    assert shop.one("select count(*) from derived.heatmap") == before
    # A late bar is worked in up to where the maps reach.
    (table,) = only(bitcoin, "ohlcv", LINEAR, 30.0, 31.0).values()
    volumes = table["volume_quantity"].to_numpy() * 1.5
    corrected = stamped(with_column(table, "volume_quantity", volumes), END + HOUR)
    shop.take_in({"ohlcv": corrected})
    shop.build(hour(50), ONE)
    assert shop.one("select count(*) from derived.heatmap") == before
    assert shop.one("select max(as_of) from derived.heatmap") == END


def test_an_hour_before_the_first_bar_builds_nothing_and_loses_nothing(
    tmp_path, bitcoin, built_at_once
):
    arrivals = [(hour(-5), bitcoin), (hour(10), {}), (END, {})]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


def test_an_hour_more_reads_a_day_at_most(tmp_path, bitcoin):
    """Whatever the history, and though an instrument was listed today."""
    listed = {
        kind: where(table, ~of(table, INVERSE) | (instants(table, kind) >= 80))
        if kind not in ("instrument", "leverage_bracket")
        else table
        for kind, table in bitcoin.items()
    }
    with workshop(tmp_path) as shop:
        shop.take_in(until(listed, 85))
        shop.build(hour(85), ONE)
        shop.take_in(until(listed, 86, 85))
        report = shop.build(hour(86), ONE)
    assert (report.asset_count, report.series_count) == (1, 2)
    assert report.bar_count <= 14 * 12 + 6 * 12


def test_progress_ends_at_all(tmp_path, bitcoin):
    reported = []
    with workshop(tmp_path) as shop:
        shop.take_in(until(bitcoin, 5))
        build_assets(
            shop.connection,
            as_of=hour(5),
            estimators=ONE,
            run_id="build",
            on_progress=lambda asset, share: reported.append((asset, share)),
        )
    assert reported == [("BTC", 1.0)]


def test_books_that_do_not_balance_store_nothing(tmp_path, bitcoin, monkeypatch):
    monkeypatch.setattr(limits, "BOOKS_TOLERANCE", -1.0)
    with workshop(tmp_path) as shop:
        shop.take_in(bitcoin)
        with pytest.raises(
            BooksDoNotBalance, match=r"turnover on sim_alpha BTC/USDT:USDT at .* nothing was stored"
        ):
            shop.build(END, ONE)
        assert shop.one("select count(*) from derived.heatmap") == 0
        monkeypatch.undo()
        shop.build(END, ONE)
        assert shop.one("select count(*) from derived.heatmap") > 0
