"""What the stand-in knows: whole books, no future, and the same numbers from wherever they come."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin import (
    DAY,
    HOUR,
    MINUTE,
    VENUES,
    MarketData,
    Pace,
    Series,
    market_from_batches,
    market_from_recording,
    refined,
    specify,
    synthetic_market,
)
from standin.market_data import window
from standin.spelling import text
from workbench.hourly_files import invent_market, write_hourly_files

from sources.records import SCHEMAS, Batch

START = 1_772_323_200_000
STEP = 5 * MINUTE
RECORDED = Path(__file__).parents[3] / "../shared/data/market_1h"
RECORDING_START = 1_771_286_400_000  # 2026-02-17


@pytest.fixture(scope="module")
def series() -> Series:
    market = synthetic_market(start=START, end=START + 2 * DAY, venues=("okx",), seed=5)
    return market.get("okx", "BTC/USDT:USDT")


def test_no_bar_changes_open_interest_by_more_than_its_volume() -> None:
    market = synthetic_market(
        start=START, end=START + 3 * DAY, venues=VENUES, inverse_assets=("BTC",), seed=11
    )
    for one in market:
        change = np.abs(np.diff(one.open_interest))
        assert (change <= one.volume * (1 + 1e-9)).all()
        assert (one.taker_buy <= one.volume).all()
        assert (one.low <= np.minimum(one.open, one.close)).all()
        assert (one.high >= np.maximum(one.open, one.close)).all()


def test_the_same_seed_gives_the_same_market_whatever_else_is_in_it() -> None:
    alone = synthetic_market(start=START, end=START + DAY, venues=("okx",), seed=3)
    again = synthetic_market(
        start=START, end=START + DAY, venues=("gate", "okx"), assets={"XRP": 1.4, "ETH": 2_100.0},
        seed=3,
    )  # fmt: skip
    one, other = (market.get("okx", "ETH/USDT:USDT") for market in (alone, again))
    np.testing.assert_array_equal(one.close, other.close)
    np.testing.assert_array_equal(one.open_interest, other.open_interest)


@given(st.integers(0, 2 * DAY))
def test_nothing_later_than_now_is_returned(series: Series, elapsed: int) -> None:
    now = START + elapsed
    for step in (STEP, HOUR):
        candles = series.candles(step, now, limit=3, from_end=True)
        assert all(candle.start < now for candle in candles)
        assert [candle.is_final for candle in candles] == [
            candle.start + step <= now for candle in candles
        ]
    assert all(at <= now for at, _, _ in series.samples(STEP, now, from_end=True))
    assert all(at <= now for at, _ in series.fundings(now, from_end=True))


@given(st.integers(1, 2 * DAY), st.integers(1, 2 * DAY))
def test_a_running_candle_only_grows(series: Series, one: int, other: int) -> None:
    earlier, later = sorted((START + one, START + other))
    first = series.candles(DAY, earlier, limit=1, from_end=True)[0]
    second = series.candles(DAY, later, first.start, first.start, from_end=True)[0]
    assert first.open == second.open
    assert first.quantity <= second.quantity * (1 + 1e-9)
    assert first.trades <= second.trades


def test_the_last_moment_of_a_candle_is_the_whole_of_it(series: Series) -> None:
    whole = series.candles(HOUR, START + HOUR, limit=1, from_end=True)[0]
    nearly = series.candles(HOUR, START + HOUR - 1, limit=1, from_end=True)[0]
    assert whole.is_final
    assert not nearly.is_final
    assert nearly.quantity == pytest.approx(whole.quantity, rel=1e-3)


@given(
    st.lists(st.integers(0, 100), unique=True).map(sorted),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(1, 20),
    st.booleans(),
)
def test_windows_cut_as_a_list_would(
    times: list[int], low: int | None, high: int | None, limit: int | None, from_end: bool
) -> None:
    wanted = [
        time for time in times if (low is None or time >= low) and (high is None or time <= high)
    ]
    if limit is not None:
        wanted = wanted[-limit:] if from_end else wanted[:limit]
    part = window(np.array(times, dtype=np.int64), low, high, limit, from_end=from_end)
    assert times[part] == wanted


@given(st.floats(1e-9, 1e12))
def test_numbers_are_written_without_exponents_and_come_back(value: float) -> None:
    actual = text(value)
    assert "e" not in actual
    assert float(actual) == pytest.approx(value, rel=1e-12)


def test_units_of_a_contract_on_a_thousand_coins() -> None:
    instrument = specify("binance", "PEPE", 4e-6)
    assert instrument.symbol == "1000PEPE/USDT:USDT"
    assert instrument.quoted_price(4e-6) == pytest.approx(0.004)
    assert instrument.quoted_quantity(5_000_000) == pytest.approx(5_000)
    assert instrument.usd(5_000_000, 4e-6) == pytest.approx(20)


def test_units_of_an_inverse_contract() -> None:
    instrument = specify("okx", "BTC", 50_000.0, is_inverse=True)
    assert instrument.contracts(1_000) == 10
    assert instrument.base_quantity(1_000, 50_000.0) == pytest.approx(0.02)
    assert instrument.usd(1_000, 50_000.0) == 1_000


def test_refined_bars_add_up_to_the_coarse_ones() -> None:
    hourly = synthetic_market(
        start=START, end=START + 5 * DAY, pace=Pace(bar_milliseconds=HOUR), seed=2
    ).get("binance", "ETH/USDT:USDT")
    fine = refined(hourly, STEP)
    now = START + 5 * DAY
    for one, other in zip(
        hourly.candles(HOUR, now, from_end=True), fine.candles(HOUR, now, from_end=True),
        strict=True,
    ):  # fmt: skip
        assert one.start == other.start
        assert [other.open, other.high, other.low, other.close] == pytest.approx(
            [one.open, one.high, one.low, one.close]
        )
        assert other.quantity == pytest.approx(one.quantity)


def test_a_split_that_would_miss_the_extremes_is_refused() -> None:
    series = next(iter(synthetic_market(start=START, end=START + DAY)))
    with pytest.raises(ValueError, match="multiple of 3"):
        refined(series, series.bar_milliseconds // 2)


def test_a_shifted_market_is_the_same_at_other_times() -> None:
    market = synthetic_market(start=START, end=START + DAY)
    moved = market.shifted(7 * DAY)
    one, other = (each.get("binance", "BTC/USDT:USDT") for each in (market, moved))
    np.testing.assert_array_equal(one.close, other.close)
    np.testing.assert_array_equal(one.bar_start + 7 * DAY, other.bar_start)
    np.testing.assert_array_equal(one.liquidation_at + 7 * DAY, other.liquidation_at)


def batch(kind: str, rows: list[dict[str, object]]) -> Batch:
    stamped = [{"source": "test", "ingested_at": 0, **row} for row in rows]
    return Batch(kind, pa.Table.from_pylist(stamped, schema=SCHEMAS[kind]))


def test_records_become_the_market_they_describe() -> None:
    key = {"venue": "sim_a", "instrument": "PEPE/USDT:USDT"}
    bars = [
        {**key, "bar_start_at": (START + i * STEP) * 1000, "bar_seconds": 300, "open": 4e-6,
         "high": 5e-6, "low": 3e-6, "close": 4e-6, "volume_quantity": 1e9 + i,
         "taker_buy_quantity": 5e8, "trade_count": 10}
        for i in range(6)
    ]  # fmt: skip
    marks = [
        {**key, "bar_start_at": (START + i * STEP) * 1000, "bar_seconds": 300,
         "mark_open": None, "mark_high": None, "mark_low": None, "mark_close": 4.1e-6}
        for i in range(3)
    ]  # fmt: skip
    market = market_from_batches(
        [
            batch("ohlcv", bars[:4]),
            batch("ohlcv", bars[3:]),  # one bar twice
            batch("mark_ohlc", marks),
            batch("instrument", [
                {**key, "asset": "PEPE", "quote": "USDT", "contract_kind": "linear",
                 "contract_size": 1000.0, "base_multiplier": 1000.0, "tick_size": 1e-7,
                 "is_active": True, "observed_at": START * 1000},
            ]),
            batch("open_interest", [
                {**key, "observed_at": (START + i * STEP) * 1000, "open_interest_quantity": 7e9}
                for i in range(6)
            ]),
            batch("funding_rate", [
                {**key, "funded_at": START * 1000, "funding_rate_ratio": 1e-4,
                 "funding_interval_hours": 4.0},
            ]),
            batch("realised_liquidation", [
                {**key, "period_start_at": (START + 1) * 1000, "period_seconds": 0,
                 "side": "long", "price": 3e-6, "liquidated_quantity": 1e6,
                 "is_complete_feed": True, "order_key": "1"},
            ]),
        ],
        venues={"sim_a": "binance"},
    )  # fmt: skip
    series = market.get("binance", "PEPE/USDT:USDT")
    assert len(series.bar_start) == 6
    assert series.instrument.base_multiplier == 1000
    assert series.instrument.contract_size == 1
    assert series.instrument.funding_interval_hours == 4
    np.testing.assert_allclose(series.mark_close[:3], 4.1e-6)
    np.testing.assert_allclose(series.mark_high[:3], 4.1e-6)
    np.testing.assert_allclose(series.mark_close[3:], 4e-6)
    assert series.open_interest_now(START + HOUR) == 7e9
    assert list(series.liquidations(START, START + HOUR)) == [(START + 1, True, 3e-6, 1e6)]


def test_records_without_bars_are_refused() -> None:
    with pytest.raises(ValueError, match="no ohlcv"):
        market_from_batches([])


@pytest.fixture(params=["invented", "recorded"])
def hourly_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "recorded":
        if not RECORDED.exists():
            pytest.skip("recorded market data is not here")
        return RECORDED
    start = datetime.fromtimestamp(RECORDING_START / 1000, UTC)
    write_hourly_files(tmp_path, invent_market(start, 72))
    return tmp_path


def test_recorded_hours_come_back_as_they_were_recorded(hourly_folder: Path) -> None:
    import pyarrow.parquet as pq

    market = market_from_recording(
        hourly_folder, start=RECORDING_START, end=RECORDING_START + 3 * DAY, assets=("BTC",)
    )
    assert {one.instrument.venue for one in market} == {"binance", "bybit", "okx", "gate"}
    rows = pq.read_table(hourly_folder / "okx_BTC_1h.parquet").to_pandas().set_index("timestamp")
    row = rows.loc["2026-02-18 05:00"]
    at = RECORDING_START + DAY + 5 * HOUR
    series = market.get("okx", "BTC/USDT:USDT")
    candle = series.candles(HOUR, at + HOUR, at, at, from_end=True)[0]
    assert candle.close == pytest.approx(row["close_perp_okx"])
    assert candle.high == pytest.approx(row["high_perp_okx"])
    assert series.instrument.contracts(candle.quantity) == pytest.approx(row["volume_perp_okx"])
    actual = series.open_interest_now(at) * row["mark_price_okx"]
    assert actual == pytest.approx(row["open_interest_usd_okx"])


def test_a_market_knows_its_contracts() -> None:
    market = synthetic_market(start=START, end=START + DAY, venues=("okx", "gate"))
    assert isinstance(market, MarketData)
    assert len(market) == 6
    assert {one.instrument.symbol for one in market.of_venue("gate")} == {
        "BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT",
    }  # fmt: skip
