"""What is recorded of each venue equals what the market did, whatever units it was published in.

The stand-in was written from the venues' documentation, the declarations from ccxt: where they
agree on units, sides, shifts and bounds, two readings of the venues agree.
"""

import datetime as dt
import itertools

import numpy as np
import pyarrow as pa
import pytest
from standin import HOUR, MINUTE

from sources.venues.declared import VENUES
from sources.venues.request import specs_of

BAR = 5 * MINUTE
STANDIN_NAME = {"binancecoinm": "binance"}
PRODUCTS = [
    (venue.name, product.contract_kind) for venue in VENUES.values() for product in venue.products
]


def rows_of(batches, kind):
    tables = [batch.table for batch in batches if batch.kind == kind]
    return pa.concat_tables(tables).to_pylist() if tables else []


def to_ms(at: dt.datetime) -> int:
    return round(at.timestamp() * 1000)


def instant(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


async def chosen(client, market, kind):
    """Yield (instrument, series) of all contracts of a product."""
    name = STANDIN_NAME.get(client.venue.name, client.venue.name)
    by_asset = {
        (series.instrument.symbol.split("/")[0].upper(), series.instrument.is_inverse): series
        for series in market.of_venue(name)
    }
    known = await client.known_instruments()
    for one in known.values():
        if one.contract_kind == kind:
            yield one, by_asset[one.instrument.split("/")[0], kind == "inverse"]


@pytest.fixture(params=PRODUCTS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def product(request):
    return request.param


def span(standin, hours: float) -> tuple[dt.datetime, dt.datetime]:
    now = instant(standin.now)
    return now - dt.timedelta(hours=hours), now


def sampled(series, standin, period, start):
    """Return (time, open interest, long/short ratio) since an instant, as the market had them."""
    return series.samples(period, standin.now, to_ms(start), None, None, from_end=False)


async def test_instruments_carry_asset_multiplier_and_size(product, client_at, market):
    venue, kind = product
    async with client_at(venue) as client:
        batches = await client.instruments()
        rows = {row["instrument"]: row for row in rows_of(batches, "instrument")}
        count = 0
        async for one, series in chosen(client, market, kind):
            row, truth = rows[one.instrument], series.instrument
            count += 1
            assert row["asset"] == one.asset
            assert row["contract_kind"] == kind
            assert row["base_multiplier"] == truth.base_multiplier
            if kind == "linear":
                size = truth.contract_size * truth.base_multiplier
                assert row["contract_size"] == pytest.approx(size, rel=1e-12)
            else:
                assert row["contract_size"] == truth.contract_size
            assert (
                row["tick_size"] == pytest.approx(truth.tick_size / truth.base_multiplier, rel=0.5)
                or venue == "hyperliquid"
            )
            assert row["is_active"]
        assert count == (3 if kind == "linear" else 2)
        assert {row["asset"] for row in rows.values()} <= {"BTC", "ETH", "PEPE"}


@pytest.mark.parametrize("is_mark", [False, True], ids=["ohlcv", "mark_ohlc"])
async def test_bars_are_the_bars_of_the_market(product, is_mark, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        async for one, series in chosen(client, market, kind):
            if is_mark and one.product.mark_ohlc is None:
                pytest.skip(f"{venue} publishes no mark bars")
            start, end = span(standin, 1.5)
            fetch = client.mark_ohlc if is_mark else client.ohlcv
            batches = await fetch(one.instrument, start, end)
            rows = rows_of(batches, "mark_ohlc" if is_mark else "ohlcv")
            truth = [
                candle
                for candle in series.candles(
                    BAR, standin.now, to_ms(start), None, None, from_end=False, is_mark=is_mark
                )
                if candle.start + BAR <= standin.now
            ]
            assert len(truth) == 17
            assert [to_ms(row["bar_start_at"]) for row in rows] == [bar.start for bar in truth]
            prefix = "mark_" if is_mark else ""
            for cell in ("open", "high", "low", "close"):
                np.testing.assert_allclose(
                    [row[prefix + cell] for row in rows],
                    [getattr(bar, cell) for bar in truth],
                    rtol=1e-9,
                )
            if not is_mark:
                np.testing.assert_allclose(
                    [row["volume_quantity"] for row in rows],
                    [bar.quantity for bar in truth],
                    rtol=1e-9,
                )
                if venue.startswith("binance"):
                    np.testing.assert_allclose(
                        [row["taker_buy_quantity"] for row in rows],
                        [bar.taker_buy for bar in truth],
                        rtol=1e-9,
                    )
                else:
                    assert all(row["taker_buy_quantity"] is None for row in rows)
            assert not rows_of(batches, "quarantine")


async def test_open_interest_history_stands_at_its_instants(product, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        async for one, series in chosen(client, market, kind):
            if one.product.open_interest_history is None:
                pytest.skip(f"{venue} publishes no history of open interest")
            period = one.product.open_interest_history.endpoint.period_seconds * 1000
            start, end = span(standin, 10)
            # So that the unit audit has prices to go by.
            await client.ohlcv(one.instrument, start, end)
            rows = rows_of(
                await client.open_interest_history(one.instrument, start, end), "open_interest"
            )
            truth = {at: quantity for at, quantity, _ in sampled(series, standin, period, start)}
            actual = {to_ms(row["observed_at"]): row["open_interest_quantity"] for row in rows}
            # A venue may still be changing the newest one.
            assert set(truth) - set(actual) <= {max(truth)}
            assert set(actual) <= set(truth)
            for at, quantity in actual.items():
                assert quantity == pytest.approx(truth[at], rel=1e-9)
        audit = client.report().unit_audit
        if audit.rows:
            assert audit.smallest_ratio == pytest.approx(1.0, abs=0.01)
            assert audit.largest_ratio == pytest.approx(1.0, abs=0.01)


async def test_open_interest_now_is_what_stands(product, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        pairs = [pair async for pair in chosen(client, market, kind)]
        if pairs[0][0].product.open_interest_now is None:
            pytest.skip(f"{venue} publishes open interest only as a history")
        batches = await client.open_interest_now([one.instrument for one, _ in pairs])
        rows = {row["instrument"]: row for row in rows_of(batches, "open_interest")}
        assert len(rows) == len(pairs)
        for one, series in pairs:
            assert rows[one.instrument]["open_interest_quantity"] == pytest.approx(
                series.open_interest_now(standin.now), rel=1e-9
            )
            assert abs(to_ms(rows[one.instrument]["observed_at"]) - standin.now) < 1000


async def test_funding_is_what_was_settled(product, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        async for one, series in chosen(client, market, kind):
            start, end = span(standin, 30)
            rows = rows_of(await client.funding(one.instrument, start, end), "funding_rate")
            truth = series.fundings(standin.now, to_ms(start), None, None, from_end=False)
            assert [to_ms(row["funded_at"]) for row in rows] == [at for at, _ in truth]
            np.testing.assert_allclose(
                [row["funding_rate_ratio"] for row in rows], [rate for _, rate in truth], atol=2e-6
            )
            # Only where all contracts of a venue share one interval for ever.
            received = {row["funding_interval_hours"] for row in rows}
            assert received == {1.0 if venue in ("hyperliquid", "deribit") else None}


async def test_ratios_are_longs_over_shorts(product, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        async for one, series in chosen(client, market, kind):
            if not specs_of(one.product, "long_short_ratio"):
                pytest.skip(f"{venue} publishes no long/short ratio")
            start, end = span(standin, 1)
            rows = rows_of(
                await client.long_short_ratio(one.instrument, start, end), "long_short_ratio"
            )
            truth = {at: ratio for at, _, ratio in sampled(series, standin, BAR, start)}
            of_accounts = [row for row in rows if row["measure"] == "accounts"]
            assert len(of_accounts) >= 10
            for row in of_accounts:
                at = to_ms(row["observed_at"])
                assert row["long_short_ratio"] == pytest.approx(truth[at], rel=2e-3)


async def test_liquidations_have_the_side_of_the_position(product, client_at, market, standin):
    venue, kind = product
    async with client_at(venue) as client:
        async for one, series in chosen(client, market, kind):
            if one.product.liquidations is None:
                pytest.skip(f"{venue} publishes no liquidations over REST")
            now = standin.now
            start_ms, end_ms = now // HOUR * HOUR - 30 * HOUR, now // BAR * BAR
            start, end = (
                dt.datetime.fromtimestamp(at / 1000, tz=dt.UTC) for at in (start_ms, end_ms)
            )
            rows = rows_of(
                await client.liquidations(one.instrument, start, end), "realised_liquidation"
            )
            # A period takes in its end and not its start, an order span the other way round.
            truth = list(series.liquidations(start_ms, end_ms))
            assert len(truth) > 20
            for side, is_long in (("long", True), ("short", False)):
                actual = sum(row["liquidated_quantity"] for row in rows if row["side"] == side)
                real = sum(quantity for _, long, _, quantity in truth if long == is_long)
                assert actual == pytest.approx(real, rel=1e-6)
            assert all(row["is_complete_feed"] for row in rows)


async def test_brackets_are_in_usd_and_grow(product, client_at, market):
    venue, kind = product
    async with client_at(venue) as client:
        pairs = [pair async for pair in chosen(client, market, kind)]
        brackets = pairs[0][0].product.brackets
        if brackets is None or getattr(getattr(brackets, "endpoint", None), "needs_key", False):
            pytest.skip(f"{venue} publishes no brackets")
        batches = await client.brackets([one.instrument for one, _ in pairs])
        assert not rows_of(batches, "quarantine")
        rule = pairs[0][0].product.margin_rule
        for one, series in pairs:
            rows = [
                row
                for row in rows_of(batches, "leverage_bracket")
                if row["instrument"] == one.instrument
            ]
            if one.asset not in getattr(brackets, "growth", {one.asset}):
                # No page of the venue states margins of this coin.
                assert rows == []
                continue
            assert [row["bracket"] for row in rows] == list(range(1, len(rows) + 1))
            assert rows[0]["notional_floor_usd"] == 0
            assert rows[0]["maintenance_margin_ratio"] == pytest.approx(
                series.instrument.maintenance_margin_ratio
            )
            assert rows[0]["max_leverage"] == pytest.approx(series.instrument.max_leverage)
            for before, after in itertools.pairwise(rows):
                assert after["notional_floor_usd"] == pytest.approx(before["notional_cap_usd"])
                step = after["notional_floor_usd"] * (
                    after["maintenance_margin_ratio"] - before["maintenance_margin_ratio"]
                )
                assert after["maintenance_deduction_usd"] == pytest.approx(
                    0.0 if rule.deduction == "none" else before["maintenance_deduction_usd"] + step
                )
