"""However builds are cut and whatever is missing, the rows are those of one full rebuild."""

import numpy as np
import pytest
from workbench import END, instants, where, workshop
from workbench.rebuilds import (
    INVERSE,
    LINEAR,
    assert_equals_rebuild,
    hour,
    of,
    only,
    until,
    without,
)


def test_hour_by_hour(tmp_path, bitcoin, built_at_once):
    steps = [1, 2, 3, 23, 24, 25, 26, 47, 48, 49, 71, 72, 73, 80, 95, 96]
    arrivals = [
        (hour(now), until(bitcoin, now, before))
        for before, now in zip([float("-inf"), *steps], steps, strict=False)
    ]
    assert_equals_rebuild(tmp_path, arrivals, rebuilt=built_at_once)


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
