"""The hourly map of measured positions: what lands, and why there is none."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from jobs.errors import JobError
from jobs.positions.book_records import HeldPositions
from jobs.positions.hourly_map import _decimal, land_hourly_map
from jobs.settings import Settings
from sources.accounts.info_client import CoinContext
from transforms.grid import bin_edges, bin_of_price, published_bins
from transforms.rebin import rebin_cells

AT = datetime(2026, 1, 1, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def held(*rows, first_seen_at=AT - timedelta(days=30)):
    """Return positions from (asset, side, quantity, liquidation price, age) rows."""
    assets, sides, quantities, prices, ages = zip(*rows, strict=True) if rows else ((),) * 5
    count = len(rows)
    observed_at = np.array([(AT - age).replace(tzinfo=None) for age in ages], "datetime64[us]")
    return HeldPositions(
        account_id=np.arange(count),
        coin=np.array(assets, str),
        dex=np.full(count, "", str),
        asset=np.array(assets, str),
        side=np.array(sides, str),
        quantity=np.array(quantities, float),
        entry_price=np.full(count, 100.0),
        liquidation_price=np.array(prices, float),
        leverage=np.full(count, 10.0),
        is_cross=np.full(count, True),
        margin_usd=np.full(count, 10.0),
        mark_price=np.full(count, 100.0),
        observed_at=observed_at,
        traded_at=np.full(count, np.datetime64("NaT", "us")),
        first_seen_at=first_seen_at,
        account_count=count,
    )


def contexts(**marks):
    """Return the contexts of the venue's own coins, each with an open interest of 10."""
    return {
        "": {coin: CoinContext(coin, coin, "", mark, 10.0, 40.0) for coin, mark in marks.items()}
    }


def landed(settings, kind):
    """Return the rows of the one file of a kind."""
    (path,) = (settings.landing / kind).glob("*.parquet")
    return pq.read_table(path).to_pylist()


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path)


def test_a_map_lands_with_its_coverage(settings):
    report = land_hourly_map(
        settings,
        held(
            ("BTC", "long", 2.0, 80.0, MINUTE),
            ("BTC", "long", 1.0, np.nan, 2 * MINUTE),
            ("BTC", "short", 4.0, 125.0, MINUTE),
        ),
        contexts(BTC=100.0),
        AT,
    )
    assert (report.reason, report.assets, report.cells, report.positions) == (None, 1, 2, 3)
    cells = [row for row in landed(settings, "provider_map") if row["value"]]
    assert [(row["side"], row["value"]) for row in cells] == [("long", 160.0), ("short", 500.0)]
    assert [row["observed_open_interest_ratio"] for row in cells] == [0.3, 0.4]
    assert {(row["provider"], row["model"], row["as_of"]) for row in cells} == {
        ("hyperliquid_positions", "collected", AT)
    }
    long, short = landed(settings, "position_coverage")
    assert (long["side"], long["positions"], long["observed_quantity"]) == ("long", 2, 3.0)
    assert (long["without_price_quantity"], long["age_max_seconds"]) == (1.0, 120.0)
    assert short["open_interest_quantity"] == 10.0
    assert short["collecting_seconds"] is None


def test_empty_cells_say_how_far_a_map_reaches(settings):
    land_hourly_map(settings, held(("BTC", "long", 2.0, 80.0, MINUTE)), contexts(BTC=100.0), AT)
    rows = landed(settings, "provider_map")
    low, high = min(row["price_low"] for row in rows), max(row["price_high"] for row in rows)
    first, count = published_bins(100.0)
    assert_allclose([low, high], np.exp(0.002 * np.array([first, first + count]) - 0.0005))
    assert {row["side"] for row in rows if row["value"] == 0.0} == {"long", "short"}


@hypothesis_settings(deadline=None)
@given(st.floats(1e-7, 1e6))
def test_rounded_edges_are_still_those_of_the_bin(price):
    bins = bin_of_price([price, 1.1 * price])
    low, high = (_decimal(edge) for edge in bin_edges(bins))
    ones = np.ones(2)
    rebinned = rebin_cells(np.zeros(2, np.int64), low, high, ones, np.array([price]))
    filled = rebinned.maps.first_bin[0] + np.flatnonzero(rebinned.maps.values)
    assert filled.tolist() == bins.tolist()


def test_a_map_repeated_for_an_hour_leaves_what_has_landed(settings):
    land_hourly_map(settings, held(("BTC", "long", 2.0, 80.0, MINUTE)), contexts(BTC=100.0), AT)
    before = landed(settings, "provider_map")
    land_hourly_map(settings, held(("BTC", "long", 3.0, 80.0, MINUTE)), contexts(BTC=100.0), AT)
    assert landed(settings, "provider_map") == before


@pytest.mark.parametrize(
    ("positions", "marks", "reason"),
    [
        (held(), {"BTC": 100.0}, "no position is known yet"),
        (
            held(("BTC", "long", 2.0, 80.0, 61 * MINUTE)),
            {"BTC": 100.0},
            "no account was seen for 61 min before 10:00: the states are stale",
        ),
        (held(("BTC", "long", 2.0, 80.0, MINUTE)), {}, "no mark prices of the venue's own"),
        (held(("BTC", "long", 2.0, 80.0, MINUTE)), {"BTC": np.nan}, "no mark price of any asset"),
    ],
    ids=["no accounts", "stale states", "no contexts", "no mark price"],
)
def test_there_is_no_map_without_fresh_states_and_prices(settings, positions, marks, reason):
    report = land_hourly_map(settings, positions, contexts(**marks), AT)
    assert reason in report.reason
    assert not settings.landing.exists()


def test_an_hour_waits_for_the_prices_of_the_venue_though_a_builder_answers(settings):
    gold = CoinContext("xyz:GOLD", "XYZ-GOLD", "xyz", 4000.0, 5.0, 20.0)
    positions = held(("XYZ-GOLD", "long", 1.0, 3900.0, MINUTE))
    report = land_hourly_map(settings, positions, {"xyz": {"xyz:GOLD": gold}}, AT)
    assert "no mark prices of the venue's own contracts" in report.reason
    assert not settings.landing.exists()


def test_a_coin_that_has_lost_its_name_is_left_out_and_named(settings):
    report = land_hourly_map(
        settings,
        held(("BTC", "long", 2.0, 80.0, MINUTE), ("MATIC", "long", 2.0, 0.8, MINUTE)),
        contexts(BTC=100.0, POL=1.0),
        AT,
    )
    assert report.without_mark == ("MATIC",)
    assert {row["asset"] for row in landed(settings, "provider_map")} == {"BTC"}


def test_a_market_of_a_builder_is_an_asset_of_its_own(settings):
    both = contexts(GOLD=100.0) | {
        "xyz": {"xyz:GOLD": CoinContext("xyz:GOLD", "XYZ-GOLD", "xyz", 4000.0, 5.0, 20.0)}
    }
    land_hourly_map(
        settings,
        held(("GOLD", "long", 2.0, 80.0, MINUTE), ("XYZ-GOLD", "long", 1.0, 3900.0, MINUTE)),
        both,
        AT,
    )
    rows = landed(settings, "provider_map")
    totals = {
        name: sum(r["value"] for r in rows if r["asset"] == name) for name in ("GOLD", "XYZ-GOLD")
    }
    assert totals == {"GOLD": 160.0, "XYZ-GOLD": 3900.0}


def test_open_interest_that_is_not_known_leaves_the_share_open(settings):
    unknown = {"": {"BTC": CoinContext("BTC", "BTC", "", 100.0, np.nan, 40.0)}}
    land_hourly_map(settings, held(("BTC", "long", 2.0, 80.0, MINUTE)), unknown, AT)
    assert {row["observed_open_interest_ratio"] for row in landed(settings, "provider_map")} == {
        None
    }
    assert {row["open_interest_quantity"] for row in landed(settings, "position_coverage")} == {
        None
    }


def test_the_first_day_is_marked_as_filling(settings):
    land_hourly_map(
        settings,
        held(("BTC", "long", 2.0, 80.0, MINUTE), first_seen_at=AT - 5 * timedelta(hours=1)),
        contexts(BTC=100.0),
        AT,
    )
    assert {row["collecting_seconds"] for row in landed(settings, "position_coverage")} == {18000.0}


def test_only_full_hours_have_a_map(settings):
    with pytest.raises(JobError, match="of a full hour"):
        land_hourly_map(settings, held(), {}, AT + MINUTE)
