"""ccxt reads the stand-in as it reads the real venues: every number comes back, unit by unit."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from standin import DAY, HOUR, MINUTE, MarketData, Series, Standin
from standin.dialects import DIALECTS

START = 1_772_323_200_000
STEP = 5 * MINUTE
EXACT = {"rtol": 1e-12, "atol": 0}


@dataclass(frozen=True)
class Case:
    """What ccxt makes of one contract of one venue.

    `volume` and `amount` are the units of ccxt's volume and open interest amount: base,
    contracts, quantity (base of linear, USD of inverse) or none. `sides` is how often the venue
    counts each.
    """

    client: str
    symbol: str
    volume: str
    amount: str
    value: str = "none"
    history: str = ""
    sides: int = 1
    volume_sides: int = 1
    has_mark: bool = True
    has_snapshot: bool = True
    venue: str = ""

    @property
    def market_venue(self) -> str:
        return self.venue or self.client

    def __str__(self) -> str:
        return f"{self.client}-{self.symbol}"


CASES = [
    Case("binanceusdm", "BTC/USDT:USDT", "base", "base", history="1h", venue="binance"),
    Case("binanceusdm", "1000PEPE/USDT:USDT", "base", "base", history="5m", venue="binance"),
    Case("binancecoinm", "BTC/USD:BTC", "base", "contracts", history="1h", venue="binance"),
    Case("bybit", "BTC/USDT:USDT", "base", "base", history="1h", sides=2),
    Case("bybit", "BTC/USD:BTC", "base", "none", "quantity", history="1h", sides=2),
    Case("okx", "BTC/USDT:USDT", "base", "contracts", "usd", history="1h"),
    Case("okx", "PEPE/USDT:USDT", "base", "contracts", "usd", history="5m"),
    Case("okx", "BTC/USD:BTC", "base", "contracts", "usd", history="1h"),
    Case("gate", "BTC/USDT:USDT", "contracts", "contracts", "usd", history="1h", sides=2,
         has_snapshot=False),
    Case("hyperliquid", "BTC/USDC:USDC", "base", "base", sides=2, has_mark=False),
    Case("hyperliquid", "KPEPE/USDC:USDC", "base", "base", sides=2, has_mark=False),
    Case("bitget", "BTC/USDT:USDT", "base", "base"),
    Case("kucoin", "BTC/USDT:USDT", "contracts", "contracts", history="1h"),
    Case("kucoin", "BTC/USD:BTC", "contracts", "contracts", history="5m"),
    Case("htx", "BTC/USDT:USDT", "base", "contracts", "usd", sides=2, volume_sides=2),
    Case("htx", "BTC/USD:BTC", "base", "contracts", sides=2, volume_sides=2),
    Case("mexc", "BTC/USDT:USDT", "contracts", "none", has_snapshot=False),
    Case("deribit", "BTC/USD:BTC", "base", "none", "quantity", has_mark=False),
    Case("deribit", "SOL/USDC:USDC", "base", "none", "quantity", has_mark=False),
]  # fmt: skip
Connect = Callable[..., Any]


def test_every_venue_of_the_stand_in_is_among_the_cases():
    assert {case.market_venue for case in CASES} == {dialect.venue for dialect in DIALECTS}


def in_unit(series: Series, quantity: float, price: float, unit: str) -> float | None:
    instrument = series.instrument
    return {
        "base": lambda: instrument.base_quantity(quantity, price),
        "contracts": lambda: instrument.contracts(quantity),
        "quantity": lambda: instrument.quoted_quantity(quantity),
        "usd": lambda: instrument.usd(quantity, price),
        "none": lambda: None,
    }[unit]()


def bars_between(series: Series, low: int, high: int) -> range:
    first, last = np.searchsorted(series.bar_start, [low, high])
    return range(int(first), int(last))


def every(**wanted: Any) -> Any:
    """Return a parametrization over the cases that have what is wanted."""
    return pytest.mark.parametrize(
        "case",
        [
            case
            for case in CASES
            if all(bool(getattr(case, name)) is value for name, value in wanted.items())
        ],
        ids=str,
    )


class TestEveryDialect:
    @every()
    async def test_lists_the_contract_as_it_is(
        self, case: Case, connect: Connect, market: MarketData
    ) -> None:
        client = await connect(case.client)
        instrument = market.get(case.market_venue, case.symbol).instrument
        listed = client.market(case.symbol)
        assert listed["swap"]
        assert listed["active"] is not False
        assert listed["inverse"] is instrument.is_inverse
        assert listed["contractSize"] == pytest.approx(instrument.contract_size)
        if case.client != "hyperliquid":  # derives its tick from the price
            assert listed["precision"]["price"] == pytest.approx(instrument.tick_size)

    @every()
    async def test_tells_finished_candles_exactly(
        self, case: Case, connect: Connect, market: MarketData
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        low = START - 4 * HOUR
        # htx ignores bounds where a limit is sent.
        limit = None if case.client == "htx" else 20
        rows = await client.fetch_ohlcv(case.symbol, "5m", low, limit)
        rows = [row for row in rows if low <= row[0] < low + 20 * STEP]
        wanted = bars_between(series, low, low + 20 * STEP)
        assert [row[0] for row in rows] == [int(series.bar_start[i]) for i in wanted]
        for row, i in zip(rows, wanted, strict=True):
            prices = [series.open[i], series.high[i], series.low[i], series.close[i]]
            quoted = [series.instrument.quoted_price(price) for price in prices]
            assert_allclose(row[1:5], quoted, **EXACT)
            volume = in_unit(series, series.volume[i], np.mean(prices), case.volume)
            assert_allclose(row[5], volume * case.volume_sides, **EXACT)

    @every(has_mark=True)
    async def test_tells_mark_candles_exactly(
        self, case: Case, connect: Connect, market: MarketData
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        low = START - 2 * HOUR
        limit = 100 if case.client == "htx" else 20
        rows = await client.fetch_ohlcv(case.symbol, "5m", low, limit, {"price": "mark"})
        rows = [row for row in rows if low <= row[0] < low + 20 * STEP]
        wanted = bars_between(series, low, low + 20 * STEP)
        assert [row[0] for row in rows] == [int(series.bar_start[i]) for i in wanted]
        for row, i in zip(rows, wanted, strict=True):
            marks = [column[i] for column in (series.mark_open, series.mark_high,
                                              series.mark_low, series.mark_close)]  # fmt: skip
            quoted = [series.instrument.quoted_price(price) for price in marks]
            assert_allclose(row[1:5], quoted, **EXACT)

    @every(has_snapshot=True)
    async def test_tells_open_interest_exactly(
        self, case: Case, connect: Connect, market: MarketData, standin: Standin
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        actual = await client.fetch_open_interest(case.symbol)
        # bybit's snapshot is the newest of the hourly history.
        at = START if case.client == "bybit" else standin.now
        quantity = series.open_interest_now(at) * case.sides
        price = series.price(standin.now)
        for name, unit in (("openInterestAmount", case.amount), ("openInterestValue", case.value)):
            wanted = in_unit(series, quantity, price, unit)
            if wanted is None:
                assert actual[name] is None
            else:
                assert_allclose(actual[name], wanted, **EXACT)

    @every(history=True)
    async def test_tells_open_interest_history_exactly(
        self, case: Case, connect: Connect, market: MarketData
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        period = client.parse_timeframe(case.history) * 1000
        low = START - 20 * period
        rows = await client.fetch_open_interest_history(case.symbol, case.history, low, 12)
        assert len(rows) == 12
        # gate labels a row with the start of the period whose end it describes.
        shift = period if case.client == "gate" else 0
        for row in rows:
            i = int(np.searchsorted(series.open_interest_at, row["timestamp"] + shift))
            assert series.open_interest_at[i] == row["timestamp"] + shift
            quantity = series.open_interest[i] * case.sides
            wanted = in_unit(series, quantity, 1.0, case.amount)
            if wanted is not None:
                assert_allclose(row["openInterestAmount"], wanted, **EXACT)
            else:
                assert_allclose(row["openInterestValue"], quantity, **EXACT)

    @every()
    async def test_tells_settled_funding_exactly(
        self, case: Case, connect: Connect, market: MarketData
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        rows = await client.fetch_funding_rate_history(case.symbol, START - 2 * DAY, 10)
        known = dict(zip(series.funding_at.tolist(), series.funding_rate.tolist(), strict=True))
        assert len(rows) >= 2
        for row in rows:
            # Some venues stamp a settlement milliseconds late.
            at = row["timestamp"] // HOUR * HOUR
            assert row["timestamp"] - at < 100
            wanted = known[at]
            if case.client == "deribit":
                wanted = sum(known[at - hour * HOUR] for hour in range(8))
            assert_allclose(row["fundingRate"], wanted, rtol=1e-9, atol=1e-12)

    @every()
    async def test_tells_nothing_of_the_future(
        self, case: Case, connect: Connect, market: MarketData, standin: Standin
    ) -> None:
        client = await connect(case.client)
        series = market.get(case.market_venue, case.symbol)
        rows = await client.fetch_ohlcv(case.symbol, "5m", None, 10)
        assert rows[-1][0] == START + STEP
        assert rows[-1][0] < standin.now
        i = int(np.searchsorted(series.bar_start, rows[-1][0]))
        finished = in_unit(
            series,
            series.volume[i],
            float(np.mean([series.open[i], series.high[i], series.low[i], series.close[i]])),
            case.volume,
        )
        assert rows[-1][5] < 0.6 * finished * case.volume_sides
        rates = await client.fetch_funding_rate_history(case.symbol, START - 2 * DAY)
        assert rates[-1]["timestamp"] <= standin.now


async def test_one_call_returns_all_open_interest_where_a_venue_has_one(
    connect: Connect, market: MarketData, standin: Standin
) -> None:
    for venue, symbol, sides in (
        ("okx", "SOL/USDT:USDT", 1), ("hyperliquid", "SOL/USDC:USDC", 2),
        ("kucoin", "SOL/USDT:USDT", 1),
    ):  # fmt: skip
        client = await connect(venue)
        standin.forget()
        actual = await client.fetch_open_interests()
        series = market.get(venue, symbol)
        wanted = series.instrument.contracts(series.open_interest_now(standin.now)) * sides
        assert_allclose(actual[symbol]["openInterestAmount"], wanted, **EXACT)
        assert len(actual) == len(market.of_venue(venue))
        assert sum(standin.counts.values()) == 1


async def test_bybit_publishes_both_sides_and_one(connect: Connect, market: MarketData) -> None:
    client = await connect("bybit")
    series = market.get("bybit", "SOL/USDT:USDT")
    tickers = await client.fetch_tickers(["SOL/USDT:USDT"])
    info = tickers["SOL/USDT:USDT"]["info"]
    one_side = series.open_interest_now(START + STEP)
    assert float(info["singleOpenInterest"]) == pytest.approx(one_side)
    assert float(info["openInterest"]) == pytest.approx(2 * one_side)
    history = await client.fetch_open_interest_history("SOL/USDT:USDT", "5m")
    newest = history[-1]["info"]
    assert float(newest["openInterest"]) == pytest.approx(2 * float(newest["singleOpenInterest"]))


async def test_gate_statistics_count_both_sides_and_run_until_their_end(
    connect: Connect, market: MarketData, standin: Standin
) -> None:
    client = await connect("gate")
    series = market.get("gate", "SOL/USDT:USDT")
    ask = {"settle": "usdt", "contract": "SOL_USDT", "interval": "5m", "limit": 3}
    rows = await client.publicFuturesGetSettleContractStats(ask)
    assert [int(row["time"]) for row in rows] == [
        START // 1000 - 300, START // 1000, START // 1000 + 300,
    ]  # fmt: skip
    finished = series.instrument.contracts(series.open_interest_now(START + STEP))
    assert float(rows[1]["open_interest"]) == pytest.approx(2 * finished)
    contract = await client.publicFuturesGetSettleContractsContract(
        {"settle": "usdt", "contract": "SOL_USDT"}
    )
    now = series.instrument.contracts(series.open_interest_now(standin.now))
    assert float(contract["position_size"]) == pytest.approx(now)


async def test_gate_statistics_add_up_the_liquidations_of_each_period(
    connect: Connect, market: MarketData
) -> None:
    client = await connect("gate")
    series = market.get("gate", "BTC/USDT:USDT")
    low = START - DAY
    ask = {"settle": "usdt", "contract": "BTC_USDT", "interval": "1h", "from": low // 1000}
    rows = await client.publicFuturesGetSettleContractStats({**ask, "limit": 24})
    assert len(rows) == 24
    actual = sum(float(row["long_liq_usd"]) for row in rows)
    wanted = sum(
        price * quantity
        for _, is_long, price, quantity in series.liquidations(low, START)
        if is_long
    )
    assert wanted > 0
    assert actual == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("venue", "symbol"),
    [("bybit", "BTC/USDT:USDT"), ("okx", "BTC/USDT:USDT"), ("gate", "BTC/USDT:USDT"),
     ("bitget", "BTC/USDT:USDT"), ("kucoin", "BTC/USDT:USDT")],
)  # fmt: skip
async def test_brackets_rise_in_size_and_margin(venue: str, symbol: str, connect: Connect) -> None:
    client = await connect(venue)
    tiers = await client.fetch_market_leverage_tiers(symbol)
    assert len(tiers) == 4
    assert [tier["maintenanceMarginRate"] for tier in tiers] == sorted(
        tier["maintenanceMarginRate"] for tier in tiers
    )
    assert tiers[0]["maxLeverage"] == 100


async def test_binance_brackets_need_a_key_and_keep_their_deduction(connect: Connect) -> None:
    # A made-up key: the stand-in only asks whether there is one.
    key = {"apiKey": "any", "secret": "any"}
    client = await connect("binanceusdm", options={"fetchCurrencies": False}, **key)
    tiers = await client.fetch_market_leverage_tiers("BTC/USDT:USDT")
    for lower, upper in pairwise(tiers):
        step = float(upper["info"]["cum"]) - float(lower["info"]["cum"])
        margins = upper["maintenanceMarginRate"] - lower["maintenanceMarginRate"]
        assert step == pytest.approx(upper["minNotional"] * margins)


@pytest.mark.parametrize("venue", ["binanceusdm", "bybit", "okx", "bitget"])
async def test_ratios_come_back(venue: str, connect: Connect, market: MarketData) -> None:
    client = await connect(venue)
    rows = await client.fetch_long_short_ratio_history("BTC/USDT:USDT", "1h", None, 5)
    series = market.get("binance" if venue == "binanceusdm" else venue, "BTC/USDT:USDT")
    known = dict(
        zip(series.open_interest_at.tolist(), series.long_short_ratio.tolist(), strict=True)
    )
    assert rows
    for row in rows:
        # bybit sends shares of four digits.
        assert row["longShortRatio"] == pytest.approx(known[row["timestamp"]], rel=1e-3)


async def test_liquidations_come_back_where_rest_gives_them(
    connect: Connect, market: MarketData
) -> None:
    for venue in ("gate", "htx"):
        client = await connect(venue)
        series = market.get(venue, "BTC/USDT:USDT")
        rows = await client.fetch_liquidations("BTC/USDT:USDT")
        known = {
            at // 1000: (is_long, series.instrument.contracts(quantity))
            for at, is_long, _, quantity in series.liquidations(START - 2 * HOUR, START + HOUR)
        }
        assert rows
        for row in rows:
            is_long, contracts = known[row["timestamp"] // 1000]
            assert row["contracts"] == pytest.approx(contracts)
            # gate's size is the position's sign, htx's side the order's.
            assert row["side"] == (("buy" if is_long else "sell") if venue == "gate"
                                   else ("sell" if is_long else "buy"))  # fmt: skip


async def test_nothing_ccxt_asks_for_is_missing(connect: Connect, standin: Standin) -> None:
    for venue in ("binance", "bybit", "okx", "gate", "hyperliquid", "bitget", "kucoin",
                  "htx", "mexc", "deribit"):  # fmt: skip
        client = await connect(venue)
        assert await client.fetch_time() == standin.now
    assert not standin.unknown
