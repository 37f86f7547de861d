"""However records arrive and builds are cut up, the rows are those of one full rebuild."""

import shutil
from dataclasses import replace

import numpy as np
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


def test_hour_by_hour(tmp_path, bitcoin, built_at_once):
    steps = [1, 2, 3, 23, 24, 25, 26, 47, 48, 49, 71, 72, 73, 80, 95, 96]
    arrivals = [
        (hour(now), until(bitcoin, now, before))
        for before, now in zip([float("-inf"), *steps], steps, strict=False)
    ]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


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


@pytest.mark.parametrize(("first", "last"), [(30.0, 30.5), (47.0, 49.0), (20.0, 60.0)])
def test_a_hole_in_open_interest_that_stays(tmp_path, bitcoin, cut_into_days, first, last):
    holed = without(bitcoin, "open_interest", INVERSE, first, last)
    steps = [first + 0.5, last - 0.1, last + 1, 96]
    arrivals = []
    before = float("-inf")
    for now in steps:
        arrivals.append((hour(np.floor(now)), until(holed, now, before)))
        before = now
    assert_equals_rebuild(tmp_path, arrivals)


def test_a_hole_at_the_end_that_is_closed_later(tmp_path, bitcoin):
    holed = without(bitcoin, "open_interest", LINEAR, 60.0, 80.0)
    arrivals = [
        (hour(now), until(holed, now, before))
        for before, now in [(float("-inf"), 70), (70, 72), (72, 73), (73, 79), (79, 81), (81, 96)]
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_a_hole_too_long_to_fill(tmp_path, bitcoin, short_memory, cut_into_days):
    holed = without(bitcoin, "open_interest", LINEAR, 10.0, 75.0)
    arrivals = [
        (hour(now), until(holed, now, before))
        for before, now in [(float("-inf"), 30), (30, 40), (40, 76), (76, 96)]
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_open_interest_that_ends_while_bars_go_on(tmp_path, bitcoin, short_memory):
    ended = without(bitcoin, "open_interest", LINEAR, 10.0, 200.0)
    arrivals = [
        (hour(now), until(ended, now, before))
        for before, now in [(float("-inf"), 30), (30, 60), (60, 61), (61, 96)]
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_bars_before_the_first_open_interest_however_builds_are_cut(
    tmp_path, bitcoin, cut_into_days
):
    known = without(bitcoin, "open_interest", LINEAR, float("-inf"), 50)
    early = without(known, "ohlcv", LINEAR, 10, 12)
    arrivals = [
        (hour(40), until(early, 40)),
        (hour(60), until(early, 60, 40)),
        (hour(61), until(early, 61, 60)),
        (hour(90), until(early, 90, 61)),
        # Late bars of the time before: where the series starts changes.
        (hour(91), {**until(early, 91, 90), **only(known, "ohlcv", LINEAR, 10, 12)}),
        (END, until(known, 96, 91)),
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_bars_that_are_missing(tmp_path, bitcoin):
    holed = without(bitcoin, "ohlcv", LINEAR, 30.0, 34.2)
    holed = without(holed, "ohlcv", INVERSE, 71.0, 73.0)
    arrivals = [
        (hour(now), until(holed, now, before))
        for before, now in [(float("-inf"), 31), (31, 36), (36, 72), (72, 96)]
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_a_hole_in_open_interest_beside_missing_bars(tmp_path, bitcoin):
    """Open interest seen where bars are missing belongs to no bar and closes no hole."""
    holed = without(bitcoin, "open_interest", LINEAR, 30.0, 33.0)
    holed = without(holed, "ohlcv", LINEAR, 32.0, 36.0)
    late = only(bitcoin, "open_interest", LINEAR, 36.0, 37.0)
    holed = without(holed, "open_interest", LINEAR, 36.0, 37.0)
    arrivals = [(hour(36), until(holed, 36)), (hour(40), until(holed, 40, 36)), (hour(40), late)]
    assert_equals_rebuild(tmp_path, arrivals)


def test_a_series_that_ends(tmp_path, bitcoin):
    ended = without(bitcoin, "ohlcv", LINEAR, 40.0, 200.0)
    arrivals = [
        (hour(now), until(ended, now, before))
        for before, now in [(float("-inf"), 40), (40, 50), (50, 64), (64, 65), (65, 96)]
    ]
    assert_equals_rebuild(tmp_path, arrivals)


def test_an_asset_that_ends_is_shown_for_a_day(tmp_path, bitcoin):
    ended = until(bitcoin, 40)
    steps = [40, 41, 63, 64, 65, 66, 90]
    assert_equals_rebuild(
        tmp_path, [(hour(steps[0]), ended), *((hour(now), {}) for now in steps[1:])]
    )
    with workshop(tmp_path / "grown") as grown:
        assert grown.one("select max(as_of) from derived.heatmap") == hour(63)


def test_an_asset_that_comes_back_after_days(tmp_path, bitcoin):
    away = {
        kind: (
            table
            if kind in ("instrument", "leverage_bracket")
            else where(table, (instants(table, kind) < 20) | (instants(table, kind) >= 70))
        )
        for kind, table in bitcoin.items()
    }
    # All of it has landed before the first build: hours to come are found without a new file.
    arrivals = [(hour(20), away), *((hour(now), {}) for now in (30, 43, 44, 50, 69, 80, 96))]
    assert_equals_rebuild(tmp_path, arrivals)


def test_what_has_landed_ahead_is_built_when_its_time_comes(tmp_path, bitcoin, built_at_once):
    arrivals = [(hour(5), bitcoin), *((hour(now), {}) for now in (6, 30, 96))]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


def test_an_instrument_that_arrives_later(tmp_path, bitcoin):
    first = {kind: where(table, ~of(table, INVERSE)) for kind, table in bitcoin.items()}
    later = {kind: where(table, of(table, INVERSE)) for kind, table in bitcoin.items()}
    listed = {
        kind: (
            table
            if kind in ("instrument", "leverage_bracket")
            else where(table, instants(table, kind) >= 77)
        )
        for kind, table in later.items()
    }
    arrivals = [(hour(77), until(first, 77))]
    for before, now in [(77, 78), (78, 79), (79, 96)]:
        arrivals.append(
            (
                hour(now),
                {
                    **until(first, now, before),
                    **{
                        kind: table
                        for kind, table in until(
                            listed, now, before if before > 77 else float("-inf")
                        ).items()
                        if len(table)
                    },
                },
            )
        )
    assert_equals_rebuild(tmp_path, arrivals)


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
    told = []
    with workshop(tmp_path) as shop:
        shop.take_in(until(bitcoin, 5))
        build_assets(
            shop.connection,
            as_of=hour(5),
            estimators=ONE,
            run_id="build",
            on_progress=lambda asset, share: told.append((asset, share)),
        )
    assert told == [("BTC", 1.0)]


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
