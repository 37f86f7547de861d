"""Where liquidations came, from orders with a price and from halves of hours, in a home."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from workbench.realised_hours import FIRST, add_asset

from jobs.calibrate.panels import read_panel
from jobs.calibrate.place_panel import read_places
from jobs.calibrate.score_models import score_asset
from jobs.calibrate.score_places import PLACE_NULLS, place_skill
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS, to_microseconds
from transforms.grid import bin_center, bin_of_price
from warehouse.connect import insert_rows, open_warehouse, registered
from warehouse.contracts import stored_rows

DAYS = 60
AS_OF = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=DAYS)
SPREAD = 60
"""Bins on either side of price that a map holds."""


def maps_of(connection, asset, seed):
    """Store a map of `turnover` for each hour, the same all day long; return what it holds."""
    generator = np.random.default_rng(seed)
    hours = connection.execute(
        "select epoch_us(as_of), open, high, low, close from intermediate.int_instrument_hour "
        "where asset = ? order by as_of",
        [asset],
    ).fetchnumpy()
    ends, opens, high, low, close = (np.asarray(column) for column in hours.values())
    n_bins = bin_of_price([high.max()])[0] - bin_of_price([low.min()])[0] + 2 * SPREAD
    first = bin_of_price([low.min()])[0] - SPREAD
    by_day = generator.gamma(0.3, 1e6, (DAYS + 1, 2, n_bins))
    held = by_day[(ends - FIRST) // DAY_MICROSECONDS]
    rows = stored_rows(
        "derived.heatmap",
        {
            "asset": asset,
            "as_of": np.repeat(ends, 2),
            "provider": "turnover",
            "venue": "all",
            "side": ["long", "short"] * len(ends),
            "price": np.repeat(close, 2),
            "first_bin_index": pa.array(np.full(2 * len(ends), first), pa.int32()),
            "liquidation_usd": list(held.reshape(-1, n_bins).astype(np.float32)),
            "unit": "usd",
            "semantics": "standing",
            "params_hash": "t",
            "run_id": "r",
            "start_up_usd": None,
            "liquidation_q10_usd": None,
            "liquidation_q50_usd": None,
            "liquidation_q90_usd": None,
        },
    )
    insert_rows(connection, "derived.heatmap", rows)
    return first, held, ends, (opens, high, low, close)


def add_outside_maps(connection, asset):
    """Let a provider of one venue publish the maps of the last days too."""
    since = AS_OF - timedelta(days=30)
    connection.execute(
        "insert into derived.heatmap by name select * replace ('measured' as provider, 'bybit' as "
        "venue) from derived.heatmap where asset = ? and as_of > ?",
        [asset, since],
    )
    connection.execute(
        "insert into derived.outside_map by name select distinct asset, as_of, provider, venue, "
        "as_of as captured_at, 'w' as window, unit, semantics, 1.0 as covered_price_low, "
        "9.0 as covered_price_high, 1 as cell_count, true as is_fitting, [] as raw_sha256, "
        "params_hash, run_id from derived.heatmap where asset = ? and provider = 'measured'",
        [asset],
    )


def add_bars(connection, asset, starts, seconds, prices):
    names = ("open", "high", "low", "close")
    table = pa.table(
        {
            "bar_start_at": pa.array(starts, pa.timestamp("us", tz="UTC")),
            **dict(zip(names, prices, strict=True)),
        }
    )
    with registered(connection, "given", table):
        connection.execute(
            "insert into raw.ohlcv by name select 'okx' as venue, ? as instrument, bar_start_at, "
            "? as bar_seconds, open, high, low, close, 1.0 as volume_quantity, 's' as source, "
            "bar_start_at as ingested_at from given",
            [f"{asset}/USD", seconds],
        )


def add_liquidations(connection, asset, rows, seconds):
    starts, sides, prices, usd = (list(column) for column in zip(*rows, strict=True))
    table = pa.table(
        {
            "period_start_at": pa.array(starts, pa.timestamp("us", tz="UTC")),
            "side": sides,
            "price": pa.array(prices, pa.float64()),
            "liquidated_usd": pa.array(usd, pa.float64()),
            "order_key": [str(number) for number in range(len(starts))],
        }
    )
    with registered(connection, "given", table):
        connection.execute(
            "insert into raw.realised_liquidation by name select 'okx' as venue, "
            "? as instrument, *, ? as period_seconds, false as is_complete_feed, 'stream' as "
            "source, period_start_at as ingested_at from given",
            [f"{asset}/USD", seconds],
        )


def orders_by_map(first, held, ends, prices, *, is_placed):
    """Return an order for each level that price reached, sized by the map before it, or not."""
    generator = np.random.default_rng(9)
    _, high, low, close = prices
    rows = []
    for hour in range(1, len(ends)):
        begin = bin_of_price([close[hour - 1], low[hour], high[hour]])
        for number, (side, bins) in enumerate(
            (
                ("long", np.arange(begin[1], begin[0] + 1)),
                ("short", np.arange(begin[0], begin[2] + 1)),
            )
        ):
            usd = held[hour - 1, number, bins - first] if is_placed else np.full(len(bins), 1e6)
            usd = usd * generator.gamma(2.0, 0.5, len(bins))
            at = ends[hour] - HOUR_MICROSECONDS // 2
            rows += [
                (int(at), side, float(price), float(one))
                for price, one in zip(bin_center(bins), usd, strict=True)
            ]
    return rows


def rows_of(connection, asset):
    """Return rows by window, model and null: all columns of the first asset, of others place."""
    own, end = read_panel(connection, asset, AS_OF), to_microseconds(AS_OF)
    places = read_places(connection, own, end - 90 * DAY_MICROSECONDS, end)
    if asset == "PLACED":
        rows = score_asset(own, places, end, "r").to_pylist()
        return {(row["window_days"], row["provider"], row["null_model"]): row for row in rows}
    pairs = [("turnover", null) for null in (*PLACE_NULLS, "path_only")]
    skill = place_skill(places, end - 30 * DAY_MICROSECONDS, has_feed=True).columns(pairs, set())
    skill = {name: pa.array(column).to_pylist() for name, column in skill.items()}
    return {
        (30, *pair): {name: column[number] for name, column in skill.items()}
        for number, pair in enumerate(pairs)
    }


@pytest.fixture(scope="module")
def skill(tmp_path_factory):
    """Return the rows of skill of assets whose places are known in different ways."""
    path = tmp_path_factory.mktemp("placed") / "warehouse.duckdb"
    with open_warehouse(path) as connection:
        for number, (asset, kind) in enumerate(
            {"PLACED": "orders", "EVEN": "orders", "HALVES": "halves", "SUMS": "sums"}.items()
        ):
            add_asset(connection, asset, DAYS, number + 1)
            first, held, ends, prices = maps_of(connection, asset, number)
            if kind == "orders":
                add_bars(connection, asset, ends - HOUR_MICROSECONDS, 3600, prices)
                rows = orders_by_map(first, held, ends, prices, is_placed=asset == "PLACED")
                add_liquidations(connection, asset, rows, 0)
                add_outside_maps(connection, asset)
            elif kind == "halves":
                add_halves(connection, asset, first, held, ends, prices)
        return {asset: rows_of(connection, asset) for asset in ("PLACED", "EVEN", "HALVES", "SUMS")}


def add_halves(connection, asset, first, held, ends, prices):
    """Add half hours: the first has the range down to the middle, liquidations follow the map."""
    opens, high, low, close = prices
    starts = np.column_stack((ends - HOUR_MICROSECONDS, ends - HOUR_MICROSECONDS // 2))
    middle = (close[:-1] + low[1:]) / 2.0, (close[:-1] + high[1:]) / 2.0
    lows = np.column_stack((np.append(low[0], np.minimum(*middle)), low))
    highs = np.column_stack((np.append(high[0], np.maximum(*middle)), high))
    bars = [np.repeat(opens, 2), highs.ravel(), lows.ravel(), np.repeat(close, 2)]
    bars[0], bars[3] = np.clip(bars[0], bars[2], bars[1]), np.clip(bars[3], bars[2], bars[1])
    add_bars(connection, asset, starts.ravel(), 1800, bars)
    rows = []
    for hour in range(1, len(ends)):
        begin, reached, top = bin_of_price([close[hour - 1], lows[hour, 0], highs[hour, 0]])
        last, most = bin_of_price([low[hour], high[hour]])
        sums = {
            "long": [
                held[hour - 1, 0, reached - first : begin - first + 1].sum(),
                held[hour - 1, 0, last - first : reached - first].sum(),
            ],
            "short": [
                held[hour - 1, 1, begin - first : top - first + 1].sum(),
                held[hour - 1, 1, top - first + 1 : most - first + 1].sum(),
            ],
        }
        rows += [
            (int(starts[hour, half]), side, None, float(usd[half]))
            for side, usd in sums.items()
            for half in (0, 1)
        ]
    add_liquidations(connection, asset, rows, 1800)


def test_a_map_that_knows_the_levels_is_seen_to(skill):
    row = skill["PLACED"][30, "turnover", "chance"]
    assert (row["place_status"], row["place_cells"]) == ("scored", "levels")
    assert row["misplaced_removed_low_ratio"] > 0.5
    assert row["top_quarter_status"] == "scored"
    assert row["top_quarter_low_ratio"] > 0.3
    for null in ("path_only", "farthest_level", "oldest_level"):
        row = skill["PLACED"][30, "turnover", null]
        assert row["misplaced_removed_low_ratio"] > 0.3
        assert row["top_quarter_gain_low_ratio"] > 0.0
        assert row["top_quarter_span_count"] <= 60


def test_a_map_that_does_not_is_no_better_than_chance(skill):
    row = skill["EVEN"][30, "turnover", "chance"]
    assert row["place_status"] == "scored"
    assert row["misplaced_removed_high_ratio"] < 0.0
    assert row["place_test_quantile"] < 0.01
    assert abs(row["top_quarter_ratio"] - 0.25) < 0.07


def test_halves_of_hours_stand_in_where_no_feed_gives_a_price(skill):
    row = skill["HALVES"][30, "turnover", "chance"]
    assert (row["place_status"], row["place_cells"]) == ("scored", "halves")
    assert row["misplaced_removed_low_ratio"] > 0.8
    assert row["top_quarter_status"] == "no_price"
    assert "no feed gives prices" in row["top_quarter_reason"]
    assert row["top_quarter_ratio"] is None


def test_sums_of_hours_give_a_row_that_says_why_there_is_no_figure(skill):
    for null in ("chance", "path_only"):
        row = skill["SUMS"][30, "turnover", null]
        assert (row["place_status"], row["top_quarter_status"]) == ("no_price", "no_price")
        assert row["place_reason"]
        assert row["misplaced_removed_ratio"] is None
        assert row["place_span_count"] == 0


def test_models_and_nulls_without_a_map_say_so(skill):
    assert skill["PLACED"][30, "lagged_forecast", "chance"]["place_status"] == "no_map"
    assert skill["PLACED"][30, "turnover", "extension_glm"]["place_status"] == "no_map"
    # The ledger has hours of what it consumed here, and no map.
    assert skill["PLACED"][30, "path_ledger", "chance"]["place_status"] == "no_prediction"
    assert skill["PLACED"][30, "turnover", "path_ledger"]["place_status"] == "no_null"


def test_maps_from_outside_are_scored_by_place_once_they_cover_a_window(skill):
    row = skill["PLACED"][30, "measured", "path_only"]
    assert (row["status"], row["place_status"]) == ("no_prediction", "scored")
    assert row["misplaced_removed_ratio"] == pytest.approx(
        skill["PLACED"][30, "turnover", "path_only"]["misplaced_removed_ratio"]
    )
    assert (90, "measured", "path_only") not in skill["PLACED"]


def test_nulls_of_place_have_no_figures_of_amounts(skill):
    row = skill["PLACED"][30, "turnover", "oldest_level"]
    assert row["status"] == "no_null"
    assert row["reason"] == "a null of place predicts no amounts"
    assert row["deviance_removed_ratio"] is None


def test_a_week_has_no_interval(skill):
    row = skill["PLACED"][7, "turnover", "chance"]
    assert row["place_status"] == "scored"
    assert row["misplaced_removed_low_ratio"] is None
    assert row["top_quarter_status"] == "too_few_spans"
