"""Units, valuing prices and settlements of imported rows, on small files made here."""

from collections import Counter

import pytest
from workbench.recorded_files import (
    HOUR,
    MAPPING,
    START,
    csv_of,
    line,
    mapping_of,
    run,
)


def test_values_become_quantities_by_the_price_at_the_snapshot(tmp_path):
    rule = {"value": "oi", "value_unit": "usd", "valued_at": "mark_close"}
    lines = [line(0, mark=100, oi=1), line(1, mark=200, oi=1000), line(2, mark=300, oi=1000)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path, open_interest=rule))
    held = records["open_interest"]
    # The mark that closes the bar before the snapshot, not that of the snapshot's own row.
    assert [row["open_interest_quantity"] for row in held] == [10.0, 5.0]
    assert [row["received_value"] for row in held] == [1000.0, 1000.0]
    assert [row["received_amount"] for row in held] == [None, None]
    (row,) = records["quarantine"]
    assert row["reason"] == "no price of BTC on binance to value it by: mark_close"
    assert row["row_number"] == 2


@pytest.mark.parametrize(
    ("valued_at", "price"),
    [("close", 105), ("open", 100), ("middle", 95), ("mark_close", 104), ("v", 7)],
)
def test_each_valuing_price_is_the_one_at_the_snapshot(tmp_path, valued_at, price):
    rule = {"value": "oi", "value_unit": "usd", "valued_at": valued_at}
    other = {"o": 1000, "h": 1100, "l": 900, "c": 1050, "mark": 1040}
    if valued_at == "open":
        lines = [line(0, **other), line(1, oi=21), line(2, **other)]
    elif valued_at == "v":
        lines = [line(0, **other, v=1), line(1, oi=21), line(2, **other, v=1)]
    else:
        lines = [line(0, l=80), line(1, oi=21, **other), line(2, **other)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path, open_interest=rule))
    (row,) = (one for one in records["open_interest"] if one["observed_at"] == START + HOUR)
    assert row["open_interest_quantity"] == pytest.approx(21 / price)


def test_a_shifted_snapshot_is_valued_at_its_own_instant(tmp_path):
    rule = {"value": "oi", "value_unit": "usd", "valued_at": "mark_close", "shift": "1h"}
    lines = [line(0, mark=100, oi=1000)]
    (row,) = run(csv_of(tmp_path, lines), mapping_of(tmp_path, open_interest=rule))["open_interest"]
    assert row["observed_at"] == START + HOUR
    assert row["open_interest_quantity"] == 10.0


def test_bar_ends_are_turned_into_opens(tmp_path):
    time = {"column": "t", "unit": "seconds", "label": "bar_end"}
    records = run(csv_of(tmp_path, [line(1)]), mapping_of(tmp_path, time=time))
    assert records["ohlcv"][0]["bar_start_at"] == START
    assert records["open_interest"][0]["observed_at"] == START + HOUR


def test_contracts_are_counted_in_the_size_of_their_instrument(tmp_path):
    instrument = {
        **MAPPING["instrument"],
        "terms": {
            "BTC/USDT:USDT": {"contract_size": 0.01},
            "1000PEPE/USDT:USDT": {"contract_size": 10},
        },
        "multiplier_prefixes": {"1000": 1000},
    }
    mapping = mapping_of(
        tmp_path,
        instrument=instrument,
        ohlcv={**MAPPING["ohlcv"], "volume_unit": "contracts"},
        open_interest={"amount": "oi", "amount_unit": "contracts"},
    )
    lines = [line(0), line(0, symbol="1000PEPEUSDT"), line(0, symbol="XRPUSDT")]
    records = run(csv_of(tmp_path, lines), mapping)
    btc, pepe = records["ohlcv"]
    assert btc["volume_quantity"] == pytest.approx(0.07)
    assert pepe["volume_quantity"] == pytest.approx(7 * 10 * 1000)
    assert pepe["close"] == pytest.approx(0.105)
    assert records["mark_ohlc"][1]["mark_close"] == pytest.approx(0.104)
    assert records["open_interest"][1]["open_interest_quantity"] == pytest.approx(50 * 10 * 1000)
    assert records["open_interest"][1]["received_amount"] == 50.0
    described = records["instrument"][1]
    assert (described["asset"], described["base_multiplier"]) == ("PEPE", 1000.0)
    assert described["contract_size"] == 10_000.0
    reasons = Counter(row["reason"] for row in records["quarantine"])
    assert reasons == {"unknown contract size: list it under terms": 3}


def test_a_quoted_multiple_keeps_value_over_price(tmp_path):
    # 1000PEPE at 2: open interest of 600 USD is 300 quoted units, 300,000 PEPE at 0.002.
    rule = {"value": "oi", "value_unit": "usd", "valued_at": "mark_close"}
    instrument = {**MAPPING["instrument"], "multiplier_prefixes": {"1000": 1000}}
    lines = [line(n, symbol="1000PEPEUSDT", mark=2, oi=600) for n in range(2)]
    records = run(
        csv_of(tmp_path, lines), mapping_of(tmp_path, instrument=instrument, open_interest=rule)
    )
    assert records["open_interest"][0]["open_interest_quantity"] == pytest.approx(300_000)


def test_inverse_contracts_are_counted_in_dollars(tmp_path):
    mapping = mapping_of(
        tmp_path,
        instrument={
            "unified": "{base}/USD:{base}",
            "column": "symbol",
            "column_pattern": "{base}{quote}",
            "contract_size": 10,
        },
        ohlcv={**MAPPING["ohlcv"], "volume_valued_at": "middle"},
        open_interest={"amount": "oi", "amount_unit": "contracts"},
    )
    records = run(csv_of(tmp_path, [line(0)]), mapping)
    assert records["ohlcv"][0]["volume_quantity"] == pytest.approx(7 * 100)
    assert records["open_interest"][0]["open_interest_quantity"] == 500.0
    assert records["instrument"][0]["contract_kind"] == "inverse"
    assert records["instrument"][0]["contract_size"] == 10.0


def test_volume_in_dollars_is_divided_by_the_stated_price(tmp_path):
    rule = {**MAPPING["ohlcv"], "volume_unit": "usd", "volume_valued_at": "mark"}
    records = run(csv_of(tmp_path, [line(0, v=208)]), mapping_of(tmp_path, ohlcv=rule))
    assert records["ohlcv"][0]["volume_quantity"] == pytest.approx(2)


def test_taker_buys_and_trade_counts_are_checked(tmp_path):
    rule = {**MAPPING["ohlcv"], "taker_buy": "mark", "trade_count": "oi"}
    lines = [
        line(0, mark=3, oi=9),
        line(1, mark=8),
        line(2, mark=3, oi=1.5),
        line(3, mark="", oi=""),
        line(4, mark=-1),
    ]
    mapping = mapping_of(tmp_path, ohlcv=rule, mark_ohlc=None, open_interest=None)
    records = run(csv_of(tmp_path, lines), mapping)
    taken = [(row["taker_buy_quantity"], row["trade_count"]) for row in records["ohlcv"]]
    assert taken == [(3.0, 9), (None, None)]
    reasons = [row["reason"] for row in records["quarantine"]]
    assert reasons == ["taker buys above volume", "no count", "negative"]


def funding_mapping(folder, **rule):
    return mapping_of(
        folder,
        ohlcv=None,
        mark_ohlc=None,
        open_interest=None,
        bar=None,
        time={"column": "t", "unit": "seconds"},
        funding_rate={"rate": "oi", "rate_unit": "percent", **rule},
    )


def test_repeated_rates_are_read_at_their_settlements(tmp_path):
    rates = [0.02] * 8 + [0.02] * 8 + [0.03] * 3 + [0.04] * 2
    lines = [line(n, oi=rate) for n, rate in enumerate(rates)]
    mapping = funding_mapping(tmp_path, interval_hours=8, repeated=True)
    records = run(csv_of(tmp_path, lines), mapping)
    settled = [(row["funded_at"], row["funding_rate_ratio"]) for row in records["funding_rate"]]
    assert settled == [
        (START, pytest.approx(0.0002)),
        (START + 8 * HOUR, pytest.approx(0.0002)),
        (START + 16 * HOUR, pytest.approx(0.0003)),
    ]
    assert {row["funding_interval_hours"] for row in records["funding_rate"]} == {8.0}
    (row,) = records["quarantine"]
    assert row["reason"] == "changes between settlements: is the interval right?"
    assert row["row_number"] == 21


def test_repeated_rates_of_unknown_interval_are_read_where_they_change(tmp_path):
    lines = [line(n, oi=rate) for n, rate in enumerate([1, 1, 2, 2, 1])]
    records = run(csv_of(tmp_path, lines), funding_mapping(tmp_path, repeated=True))
    assert [row["funded_at"] for row in records["funding_rate"]] == [
        START,
        START + 2 * HOUR,
        START + 4 * HOUR,
    ]
    assert {row["funding_interval_hours"] for row in records["funding_rate"]} == {None}


def test_a_rate_beyond_reason_is_quarantined(tmp_path):
    records = run(csv_of(tmp_path, [line(0, oi=51)]), funding_mapping(tmp_path))
    assert (
        records["quarantine"][0]["reason"]
        == "beyond 50 % per interval: a percentage read as a ratio?"
    )


def test_liquidations_are_read_by_side(tmp_path):
    mapping = mapping_of(
        tmp_path,
        ohlcv=None,
        mark_ohlc=None,
        open_interest=None,
        realised_liquidation={
            "long": "mark",
            "short": "oi",
            "unit": "usd",
            "is_complete_feed": False,
        },
    )
    records = run(csv_of(tmp_path, [line(0, mark=5, oi=0), line(1, mark=-5, oi=6)]), mapping)
    found = [
        (row["side"], row["period_start_at"], row["liquidated_usd"])
        for row in records["realised_liquidation"]
    ]
    assert found == [("long", START, 5.0), ("short", START, 0.0), ("short", START + HOUR, 6.0)]
    first = records["realised_liquidation"][0]
    assert first["liquidated_quantity"] is None
    assert first["period_seconds"] == 3600
    assert first["is_complete_feed"] is False
    assert records["quarantine"][0]["reason"] == "negative"
