import datetime as dt

import pytest

from sources.venues.brackets import read_brackets, read_step_brackets
from sources.venues.declarations import VENUES
from sources.venues.instruments import Instrument
from sources.venues.readings import Context

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
# Binance's BTCUSDT: cap, maintenance ratio, deduction.
BINANCE = [(50_000, 0.004, 0), (600_000, 0.005, 50), (3_000_000, 0.0065, 950)]
BINANCE += [(12_000_000, 0.01, 11_450), (70_000_000, 0.02, 131_450)]


def contract(venue, size=1.0, multiplier=1.0, index=0, info=None):
    product = VENUES[venue].products[index]
    kind = product.contract_kind
    market = {"id": "ID", "info": info or {}}
    return Instrument(
        venue, "X", "X", "USDT", kind, size, multiplier, None, True, product, "ID", "X", market
    )


def context(instrument):
    return Context(instrument.venue, {"ID": instrument}, NOW, "request")


def read(venue, rows, price=None, **settings):
    instrument = contract(venue, **settings)
    answer = {"result": {"list": rows}, "data": rows}
    if venue in ("gate", "binance"):
        answer = rows
    batches = read_brackets(
        instrument.product.brackets, answer, context(instrument), {"X": price} if price else {}
    )
    by_kind = {batch.kind: batch.table.to_pylist() for batch in batches}
    return by_kind["leverage_bracket"], by_kind.get("quarantine", [])


def test_deductions_follow_from_floors_and_ratios_as_binance_tells_its_own():
    rows = [
        {"risk_limit": str(cap), "maintenance_rate": str(ratio), "leverage_max": "20"}
        for cap, ratio, _ in BINANCE
    ]
    brackets, refused = read("gate", rows)
    assert refused == []
    told = [row["maintenance_deduction_usd"] for row in brackets]
    assert told == pytest.approx([deduction for _, _, deduction in BINANCE])
    assert [row["notional_floor_usd"] for row in brackets] == [0, 50_000, 600_000, 3e6, 12e6]
    assert {row["valid_from_at"] for row in brackets} == {NOW}


def test_deductions_that_are_told_are_kept_and_order_does_not_matter():
    floors = [0, *(cap for cap, _, _ in BINANCE)]
    brackets = [
        {
            "notionalFloor": floors[number],
            "notionalCap": cap,
            "maintMarginRatio": ratio,
            "cum": deduction + 0.5,
            "initialLeverage": 20,
        }
        for number, (cap, ratio, deduction) in enumerate(BINANCE)
    ]
    told, refused = read("binance", [{"symbol": "ID", "brackets": brackets[::-1]}])
    assert refused == []
    assert [row["maintenance_deduction_usd"] for row in told] == pytest.approx(
        [deduction + 0.5 for _, _, deduction in BINANCE]
    )


def test_caps_in_contracts_are_valued_at_the_mark():
    rows = [{"minSz": "0", "maxSz": "500", "mmr": "0.004", "maxLever": "100"}]
    linear, _ = read("okx", rows, price=70_000.0, size=0.01)
    assert linear[0]["notional_cap_usd"] == pytest.approx(500 * 0.01 * 70_000)
    inverse, _ = read("okx", rows, size=100.0, index=1)
    assert inverse[0]["notional_cap_usd"] == pytest.approx(50_000)
    none, refused = read("okx", rows, size=0.01)
    assert none == []
    assert "mark price" in refused[0]["reason"]


def test_caps_in_coins_are_valued_at_the_mark():
    rows = [{"riskLimitValue": "150", "maintenanceMargin": "0.005", "maxLeverage": "100"}]
    brackets, _ = read("bybit", rows, price=60_000.0, index=1)
    assert brackets[0]["notional_cap_usd"] == pytest.approx(9_000_000)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"maintenance_rate": "0.5", "leverage_max": "100"}, "not below the initial margin"),
        ({"maintenance_rate": "0.02", "leverage_max": "50"}, "not below the initial margin"),
        ({"maintenance_rate": "50"}, "is no ratio"),
        ({"maintenance_rate": "0"}, "is no ratio"),
        ({"leverage_max": "0.5"}, "leverage 0.5 is none"),
        ({"leverage_max": "many"}, "not a finite number"),
        ({"maintenance_rate": None}, "missing"),
        ({"risk_limit": "60"}, "falls with size"),
    ],
)
def test_one_bad_bracket_refuses_the_whole_set_with_what_was_received(change, reason):
    good = {"risk_limit": "100", "maintenance_rate": "0.004", "leverage_max": "100"}
    bad = {"risk_limit": "200", "maintenance_rate": "0.005", "leverage_max": "50"} | change
    brackets, refused = read("gate", [good, bad])
    assert brackets == []
    assert reason in refused[0]["reason"]
    assert refused[0]["instrument"] == "X"
    assert "maintenance_rate" in refused[0]["received"]


def test_steps_of_the_markets_own_description_become_brackets():
    info = {
        "riskIncrVol": 200_000,
        "maxVol": 1_000_000,
        "maintenanceMarginRate": 0.004,
        "riskIncrMmr": 0.004,
        "initialMarginRate": 0.008,
        "riskIncrImr": 0.004,
    }
    instrument = contract("mexc", size=0.0001, info=info)
    (batch,) = read_step_brackets(
        instrument.product.brackets, [instrument], context(instrument), {"X": 60_000.0}
    )
    rows = batch.table.to_pylist()
    assert len(rows) == 5
    assert rows[0]["notional_cap_usd"] == pytest.approx(200_000 * 0.0001 * 60_000)
    assert [row["maintenance_margin_ratio"] for row in rows] == pytest.approx(
        [0.004, 0.008, 0.012, 0.016, 0.020]
    )
    assert rows[0]["max_leverage"] == pytest.approx(125)
    assert rows[4]["max_leverage"] == pytest.approx(1 / 0.024)


def test_steps_of_nothing_are_refused():
    instrument = contract("mexc", size=0.0001, info={"riskIncrVol": 0, "maxVol": 10})
    batches = read_step_brackets(
        instrument.product.brackets, [instrument], context(instrument), {"X": 60_000.0}
    )
    assert batches[0].table.num_rows == 0
    assert batches[1].kind == "quarantine"
