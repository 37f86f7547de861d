"""The simulated market as its readers see it: records, stamps, units and the truth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.testing import assert_allclose

from sources.errors import InputRejected
from sources.records import SCHEMAS
from sources.simulated import (
    LeverageTier,
    MarketParameters,
    SimulatedVenue,
    Whale,
    simulate,
)
from sources.simulated.emission import parameters_sha256
from sources.simulated.parameters import ASSETS, VENUES
from transforms.grid import bin_center, bin_edges, bin_of_price

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
MARKET = MarketParameters(start=START, days=3, seed=11)
SMALL = replace(MARKET, assets=(ASSETS[0], ASSETS[-1]), warm_up_days=2)
STAMP = datetime(2026, 2, 1, tzinfo=UTC)
BAR = timedelta(minutes=5)
KINDS = {
    "instrument", "leverage_bracket", "ohlcv", "mark_ohlc", "open_interest", "funding_rate",
    "realised_liquidation", "provider_map",
}  # fmt: skip


def collect(parameters, **arguments):
    """Return all records of a kind in one table, in a fixed order."""
    tables = {}
    for batch in simulate(parameters, ingested_at=STAMP, **arguments):
        tables.setdefault(batch.kind, []).append(batch.table)
    return {kind: sort(pa.concat_tables(parts)) for kind, parts in tables.items()}


def sort(table):
    return table.sort_by(
        [
            (name, "ascending")
            for name in table.column_names
            if pa.types.is_string(table.schema.field(name).type)
            or pa.types.is_timestamp(table.schema.field(name).type)
            or name == "price_low"
        ]
    ).combine_chunks()


@pytest.fixture(scope="module")
def small_market():
    return collect(SMALL)


@pytest.fixture(scope="module")
def market():
    return collect(MARKET)


def column(table, name):
    return table[name].to_numpy()


def per_series(table, *names):
    """Yield venue, instrument and arrays of the named columns."""
    for venue in VENUES:
        rows = table.filter(pc.equal(table["venue"], venue.name))
        for instrument in pc.unique(rows["instrument"]).to_pylist():
            chosen = rows.filter(pc.equal(rows["instrument"], instrument))
            yield venue.name, instrument, *(column(chosen, name) for name in names)


def truth_of(market, venue, instrument, side):
    truth = market["provider_map"]
    return truth.filter(
        pc.and_(
            pc.and_(
                pc.equal(truth["venue_scope"], venue),
                pc.equal(truth["asset"], instrument.split("/")[0]),
            ),
            pc.equal(truth["side"], side),
        )
    )


def test_market_has_enough_venues_and_assets_and_every_kind_of_record(market):
    assert set(market) == KINDS
    assert all(table.schema.equals(SCHEMAS[kind]) for kind, table in market.items())
    instruments = market["instrument"]
    assert instruments.num_rows == len(VENUES) * len(ASSETS) >= 15
    assert set(instruments["contract_kind"].to_pylist()) == {"linear", "inverse"}
    assert all(name.startswith("sim_") for name in instruments["venue"].to_pylist())


def test_same_seed_gives_the_same_market_and_another_seed_another():
    short = replace(SMALL, days=0.25)
    first, again = collect(short), collect(short)
    assert all(first[kind].equals(again[kind]) for kind in KINDS)
    other = collect(replace(short, seed=12))
    assert not first["ohlcv"].equals(other["ohlcv"])
    assert not first["provider_map"].equals(other["provider_map"])


@pytest.mark.parametrize("hours", [1, 23, 24, 31])
def test_longer_span_begins_with_exactly_the_rows_of_a_shorter_one(small_market, hours):
    shorter = collect(replace(SMALL, days=hours / 24))
    end = START + timedelta(hours=hours)
    instant = {"ohlcv": "bar_start_at", "mark_ohlc": "bar_start_at",
               "realised_liquidation": "period_start_at", "open_interest": "observed_at",
               "funding_rate": "funded_at", "provider_map": "as_of"}  # fmt: skip
    for kind, name in instant.items():
        starts = name.endswith("start_at")
        early = pc.less if starts else pc.less_equal
        whole = small_market[kind]
        expected = whole.filter(early(whole[name], pa.scalar(end, whole[name].type)))
        got = shorter.get(kind, whole.schema.empty_table())
        assert got.equals(expected.combine_chunks()), kind
    assert shorter["instrument"].equals(small_market["instrument"])
    assert shorter["leverage_bracket"].equals(small_market["leverage_bracket"])


def test_asset_trades_alike_whatever_else_is_listed(market):
    alone = collect(replace(MARKET, assets=ASSETS[:1], venues=VENUES[1:2], days=1.0))
    whole = market["ohlcv"]
    same = whole.filter(
        pc.and_(
            pc.and_(
                pc.equal(whole["venue"], VENUES[1].name),
                pc.equal(whole["instrument"], "BTC/USDT:USDT"),
            ),
            pc.less(
                whole["bar_start_at"],
                pa.scalar(START + timedelta(days=1), pa.timestamp("us", "UTC")),
            ),
        )
    )
    assert alone["ohlcv"].equals(same.combine_chunks())


def test_stamps_are_the_instants_of_events(market):
    hours = MARKET.hours
    bars = [START + k * BAR for k in range(12 * hours)]
    n_series = len(VENUES) * len(ASSETS)
    for kind in ("ohlcv", "mark_ohlc"):
        assert pc.unique(market[kind]["bar_start_at"]).to_pylist() == bars
        assert market[kind].num_rows == n_series * len(bars)
    snapshots = sorted(pc.unique(market["open_interest"]["observed_at"]).to_pylist())
    assert snapshots == [START, *(bar + BAR for bar in bars)]
    assert market["open_interest"].num_rows == n_series * (len(bars) + 1)
    as_of = sorted(pc.unique(market["provider_map"]["as_of"]).to_pylist())
    assert as_of == [START + timedelta(hours=k + 1) for k in range(hours)]
    funded = sorted(pc.unique(market["funding_rate"]["funded_at"]).to_pylist())
    assert funded[0] == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert {instant.hour for instant in funded} == {0, 8, 16}
    assert market["realised_liquidation"].num_rows == 2 * n_series * len(bars)


def test_records_are_stamped_with_the_end_of_the_span_by_default():
    batch = next(simulate(MARKET))
    assert pc.unique(batch.table["ingested_at"]).to_pylist() == [MARKET.end]


def test_no_change_of_open_interest_exceeds_volume(market):
    volumes = {(v, i): x for v, i, x in per_series(market["ohlcv"], "volume_quantity")}
    for venue, instrument, amount in per_series(market["open_interest"], "open_interest_quantity"):
        volume = volumes[venue, instrument]
        changes = np.abs(np.diff(amount))
        assert np.all(changes <= volume * (1 + 1e-9)), (venue, instrument)
        assert np.all(amount > 0)


def test_bars_hold_together_and_chain(market):
    for _, _, o, h, low, c in per_series(market["ohlcv"], "open", "high", "low", "close"):
        assert np.all(low <= np.minimum(o, c))
        assert np.all(h >= np.maximum(o, c))
        assert_allclose(o[1:], c[:-1], rtol=1e-12)
    for _, _, o, h, low, c in per_series(
        market["mark_ohlc"], "mark_open", "mark_high", "mark_low", "mark_close"
    ):
        assert np.all(low <= np.minimum(o, c))
        assert np.all(h >= np.maximum(o, c))
        assert_allclose(o[1:], c[:-1], rtol=1e-12)


def test_mark_follows_last_price_and_is_smoother(market):
    last = {(v, i): x for v, i, x in per_series(market["ohlcv"], "close")}
    for venue, instrument, mark in per_series(market["mark_ohlc"], "mark_close"):
        close = last[venue, instrument]
        assert np.max(np.abs(mark / close - 1)) < 0.05
        assert np.abs(np.diff(np.log(mark))).sum() < np.abs(np.diff(np.log(close))).sum()


def test_venues_differ_little_in_price(market):
    closes = {(v, i.split("/")[0]): x for v, i, x in per_series(market["ohlcv"], "close")}
    for asset in ASSETS:
        prices = np.stack([closes[venue.name, asset.name] for venue in VENUES])
        gap = np.abs(np.log(prices / np.median(prices, axis=0)))
        assert np.median(gap) < asset.price_noise_bps * 1e-4 * 3
        assert np.max(gap) < asset.price_noise_bps * 1e-4 * 10


def test_open_interest_comes_in_each_venues_unit_and_audits(market):
    marks = {(v, i): x for v, i, x in per_series(market["mark_ohlc"], "mark_close")}
    reference = market["instrument"]
    sizes = {
        (row["venue"], row["instrument"]): row["contract_size"] for row in reference.to_pylist()
    }
    units = {}
    for venue, instrument, quantity, amount, unit, value, value_unit in per_series(
        market["open_interest"], "open_interest_quantity", "received_amount",
        "received_amount_unit", "received_value", "received_value_unit",
    ):  # fmt: skip
        mark = marks[venue, instrument]
        assert set(value_unit) == {"usd"}
        units.setdefault(venue, set()).add(unit[0])
        if venue == "sim_gamma":
            assert np.all(np.isnan(amount))
            assert_allclose(value, quantity, rtol=1e-12)
            continue
        size = 1.0 if venue == "sim_alpha" else sizes[venue, instrument]
        assert sizes[venue, instrument] == size
        assert_allclose(amount * size, quantity, rtol=1e-12)
        # Rows run from the very start; marks are those at the ends of bars.
        assert_allclose(amount[1:] * size * mark, value[1:], rtol=1e-12)
        assert_allclose(amount[:1] * size * mark[:1], value[:1], rtol=0.05)
    assert units == {"sim_alpha": {"base"}, "sim_beta": {"contracts"}, "sim_gamma": {None}}
    assert all(sizes["sim_beta", i] != 1.0 for v, i in sizes if v == "sim_beta" and "SOL" not in i)


def test_levels_are_plausible(market):
    volumes = {(v, i): x for v, i, x in per_series(market["ohlcv"], "volume_quantity")}
    venues = {venue.name: venue for venue in VENUES}
    assets = {asset.name: asset for asset in ASSETS}
    for venue, instrument, quantity, value in per_series(
        market["open_interest"], "open_interest_quantity", "received_value"
    ):
        asset = assets[instrument.split("/")[0]]
        ordinary = asset.open_interest_usd * venues[venue].open_interest_factor
        assert 0.4 * ordinary < value.mean() < 2.5 * ordinary
        daily_turnover = volumes[venue, instrument].sum() / MARKET.days / quantity.mean()
        assert 0.7 < daily_turnover < 8.0
    rates = column(market["funding_rate"], "funding_rate_ratio")
    assert np.all(np.abs(rates) <= 0.003)
    assert 0 < rates.mean() < 0.0005


def test_volume_follows_the_hour_of_the_day(market):
    rows = market["ohlcv"].filter(pc.equal(market["ohlcv"]["instrument"], "BTC/USDT:USDT"))
    by_hour = np.zeros(24)
    np.add.at(by_hour, pc.hour(rows["bar_start_at"]).to_numpy(), column(rows, "volume_quantity"))
    assert 2.0 < by_hour.max() / by_hour.min() < 10.0
    assert 12 <= by_hour.argmax() <= 17


def test_taker_buys_are_part_of_volume_and_lean_with_the_move(market):
    for _, _, o, c, volume, taker in per_series(
        market["ohlcv"], "open", "close", "volume_quantity", "taker_buy_quantity"
    ):
        assert np.all((taker >= 0) & (taker <= volume * (1 + 1e-12)))
        traded = volume > 0
        share = taker[traded] / volume[traded]
        assert abs(share.mean() - 0.5) < 0.05
        assert np.corrcoef(share, np.log(c / o)[traded])[0, 1] > 0.1


def test_liquidations_happen_at_a_mark_of_their_bar_and_cluster(market):
    marks = {(v, i): x for v, i, *x in per_series(market["mark_ohlc"], "mark_low", "mark_high")}
    every_bar = np.zeros(12 * MARKET.hours)
    for venue, instrument, side, quantity, usd in per_series(
        market["realised_liquidation"], "side", "liquidated_quantity", "liquidated_usd"
    ):
        low, high = marks[venue, instrument]
        for position_side in ("long", "short"):
            chosen = side == position_side
            some = quantity[chosen] > 0
            assert np.array_equal(some, usd[chosen] > 0)
            price = usd[chosen][some] / quantity[chosen][some]
            if instrument.endswith(":USDT"):
                assert np.all(price >= low[some] * (1 - 1e-12))
                assert np.all(price <= high[some] * (1 + 1e-12))
            else:
                assert_allclose(price, 1.0, rtol=1e-12)
            every_bar += usd[chosen]
    busiest = np.sort(every_bar)[-every_bar.size // 10 :]
    assert busiest.sum() > 0.3 * every_bar.sum()


def test_liquidations_follow_the_side_the_mark_moves_against(market):
    feed = market["realised_liquidation"]
    feed = feed.filter(pc.equal(feed["instrument"], "DOGE/USDT:USDT"))
    marks = market["mark_ohlc"]
    marks = marks.filter(pc.equal(marks["instrument"], "DOGE/USDT:USDT"))
    move = column(marks, "mark_close") / column(marks, "mark_open") - 1
    usd = {
        side: column(feed.filter(pc.equal(feed["side"], side)), "liquidated_usd")
        for side in ("long", "short")
    }
    assert usd["long"][move < 0].sum() > 5 * usd["long"][move > 0].sum()
    assert usd["short"][move > 0].sum() > 5 * usd["short"][move < 0].sum()


def test_a_day_liquidates_a_plausible_share_of_open_interest(market):
    values = {(v, i): x for v, i, x in per_series(market["open_interest"], "received_value")}
    shares = [
        usd.sum() / MARKET.days / values[venue, instrument].mean()
        for venue, instrument, usd in per_series(market["realised_liquidation"], "liquidated_usd")
    ]
    assert 0.001 < np.median(shares) < 0.03


def test_truth_sums_to_its_stated_share_of_open_interest(market):
    for venue, instrument, quantity in per_series(
        market["open_interest"], "open_interest_quantity"
    ):
        at_hours = quantity[12::12]
        for side in ("long", "short"):
            rows = truth_of(market, venue, instrument, side)
            as_of = rows["as_of"].to_pandas()
            hour = ((as_of - START) // timedelta(hours=1)).to_numpy() - 1
            center = np.sqrt(column(rows, "price_low") * column(rows, "price_high"))
            is_inverse = instrument.startswith("BTC/USD:") or "/USD:" in instrument
            in_rows = np.bincount(
                hour, column(rows, "value") / (1.0 if is_inverse else center), MARKET.hours
            )
            share = np.full(MARKET.hours, np.nan)
            share[hour] = column(rows, "observed_open_interest_ratio")
            # USD is at the positions' own prices; a linear bin is known to half its width.
            tolerance = 1e-9 if is_inverse else 1.1e-3
            assert_allclose(in_rows, share * at_hours, rtol=tolerance)
            assert np.all((share > 0.05) & (share <= 1.0))


def test_true_longs_are_below_the_mark_and_shorts_above_at_each_hour(market):
    for venue, instrument, mark in per_series(market["mark_ohlc"], "mark_close"):
        at_hours = mark[11::12]
        for side in ("long", "short"):
            rows = truth_of(market, venue, instrument, side)
            hour = ((rows["as_of"].to_pandas() - START) // timedelta(hours=1)).to_numpy() - 1
            if side == "long":
                assert np.all(column(rows, "price_low") < at_hours[hour])
            else:
                assert np.all(column(rows, "price_high") > at_hours[hour])
    # The hour before would not do: prices moved.
    assert np.any(column(rows, "price_high") <= np.roll(at_hours, 1)[hour])


def test_truth_lies_on_the_published_grid_around_the_close(market):
    truth = market["provider_map"]
    low, high = column(truth, "price_low"), column(truth, "price_high")
    bins = bin_of_price(np.sqrt(low * high))
    expected_low, expected_high = bin_edges(bins)
    assert_allclose(low, expected_low, rtol=1e-12)
    assert_allclose(high, expected_high, rtol=1e-12)
    reference = column(truth, "reference_price")
    distance = np.abs(np.log(bin_center(bins) / reference))
    assert distance.max() <= 0.5 + 1e-9
    assert distance.max() > 0.49
    assert np.all(column(truth, "value") > 0)
    closes = {(v, i): x for v, i, x in per_series(market["ohlcv"], "close")}
    rows = truth_of(market, "sim_beta", "ETH/USDT:USDT", "long")
    hour = ((rows["as_of"].to_pandas() - START) // timedelta(hours=1)).to_numpy() - 1
    at_hours = closes["sim_beta", "ETH/USDT:USDT"][11::12]
    assert_allclose(column(rows, "reference_price"), at_hours[hour], rtol=1e-12)


def test_truth_describes_itself(market):
    truth = market["provider_map"]
    constants = {
        "provider": "simulated_truth", "model": "positions", "unit": "usd",
        "semantics": "standing", "window": None, "leverage": None,
        "raw_sha256": parameters_sha256(MARKET),
    }  # fmt: skip
    for name, value in constants.items():
        assert pc.unique(truth[name]).to_pylist() == [value]
    assert set(pc.unique(truth["venue_scope"]).to_pylist()) == {venue.name for venue in VENUES}
    assert parameters_sha256(MARKET) == parameters_sha256(replace(MARKET, days=9))
    assert parameters_sha256(MARKET) != parameters_sha256(replace(MARKET, seed=9))


def test_most_notional_is_far_from_price_and_venues_differ_in_it(market):
    near = {}
    for venue in VENUES:
        rows = [truth_of(market, venue.name, "BTC/x", side) for side in ("long", "short")]
        both = pa.concat_tables(rows)
        distance = np.abs(np.log(column(both, "price_low") / column(both, "reference_price")))
        value = column(both, "value")
        near[venue.name] = value[distance < 0.1].sum() / value.sum()
    assert max(near["sim_alpha"], near["sim_gamma"]) < near["sim_beta"] < 0.3


def test_whale_makes_open_interest_of_the_thin_asset_move_by_steps(market):
    largest = {}
    for venue, instrument, quantity in per_series(
        market["open_interest"], "open_interest_quantity"
    ):
        changes = np.abs(np.diff(quantity)).reshape(-1, 288)
        top_three = np.sort(changes, axis=1)[:, -3:].sum(axis=1) / changes.sum(axis=1)
        largest[venue, instrument.split("/")[0]] = np.median(top_three)
        if instrument.startswith("THIN"):
            assert (np.abs(np.diff(quantity)) / quantity[:-1]).max() > 0.1
    for (_, asset), share in largest.items():
        assert (share > 0.4) if asset == "THIN" else (share < 0.15)


def test_brackets_carry_the_margin_of_the_asset_from_the_start(market):
    rows = market["leverage_bracket"].to_pylist()
    margin = {asset.name: asset.maintenance_margin_ratio for asset in ASSETS}
    for row in rows:
        assert row["maintenance_margin_ratio"] == margin[row["instrument"].split("/")[0]]
        assert row["valid_from_at"] == START
        assert (row["bracket"], row["notional_cap_usd"]) == (1, None)
        assert row["maintenance_margin_ratio"] * row["max_leverage"] < 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(MARKET, start=datetime(2026, 1, 1)), r"start is .* whole hour in UTC"),  # noqa: DTZ001
        (lambda: replace(MARKET, start=START + BAR), r"start is .* whole hour in UTC"),
        (lambda: replace(MARKET, days=0.03), r"days is 0\.03; give a whole number of hours"),
        (lambda: replace(MARKET, days=-1.0), r"days is -1\.0; give a finite number above 0"),
        (lambda: replace(MARKET, days=float("nan")), r"days is nan"),
        (lambda: replace(MARKET, seed="x"), r"seed is 'x'"),
        (lambda: replace(MARKET, venues=VENUES[:1] * 2), r"venues is .* names unique"),
        (lambda: replace(MARKET, assets=()), r"assets is \(\); give at least one"),
        (lambda: replace(VENUES[0], name="binance"), r"binance\.name is 'binance'; .*'sim_'"),
        (lambda: replace(VENUES[0], contract_kind="quanto"), r"contract_kind is 'quanto'"),
        (lambda: replace(VENUES[0], open_interest_unit="lots"), r"open_interest_unit is 'lots'"),
        (lambda: replace(VENUES[2], open_interest_unit="base"), r"inverse contracts count USD"),
        (
            lambda: SimulatedVenue("sim_x", "linear", "base", (LeverageTier(5.0, 0.9, 1.0),)),
            r"sim_x\.leverage_mix is .* weights sum to 1",
        ),
        (lambda: LeverageTier(0.5, 1.0, 1.0), r"leverage is 0\.5; it cannot be below 1"),
        (lambda: Whale(tranche_count=0), r"tranche_count is 0"),
        (lambda: Whale(leverage=1.0), r"leverage is 1\.0"),
        (lambda: replace(ASSETS[0], name="btc"), r"btc\.name is 'btc'; use upper-case"),
        (lambda: replace(ASSETS[0], price_usd=0.0), r"BTC\.price_usd is 0\.0"),
        (lambda: replace(ASSETS[0], max_leverage=300.0), r"less than the maintenance margin"),
        (lambda: replace(ASSETS[0], market_correlation_ratio=1.2), r"1\.2; give 0 to 1"),
    ],
)  # fmt: skip
def test_impossible_market_is_refused_by_field_and_value(make, message):
    with pytest.raises(InputRejected, match=message):
        make()


def test_price_that_runs_off_the_grid_is_refused():
    wild = replace(ASSETS[0], daily_volatility_ratio=0.5)
    parameters = replace(
        MARKET, assets=(wild,), days=400, jump_ratio=20.0, jumps_per_day=1.0,
        price_pull_half_life_days=1e6,
    )  # fmt: skip
    with pytest.raises(InputRejected, match="times away from price_usd"):
        for _ in simulate(parameters):
            pass
