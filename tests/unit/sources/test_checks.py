import datetime as dt

import numpy as np
import pytest
from workbench import instrument_row, table_of

from sources.checks import (
    LONGEST_RECEIVED,
    Provenance,
    QuarantinedRow,
    Rejects,
    flag_bars,
    flag_funding,
    flag_open_interest,
    flag_ratios,
    quarantine,
    separate_bad_names,
)
from sources.records import Batch


def bar(**changes):
    one = {"open": 10.0, "high": 12.0, "low": 9.0, "close": 11.0, "volume": 5.0, "taker_buy": 2.0}
    one |= {"trade_count": 3.0} | changes
    return {cell: np.array([value]) for cell, value in one.items()}


def reasons(flag, values):
    rejects = Rejects(1)
    flag(values, rejects.flag)
    return rejects.reasons.get(0)


def test_a_bar_of_ordinary_trading_passes():
    assert reasons(flag_bars, bar()) is None


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({"open": 0.0}, "open"),
        ({"low": -1.0}, "low"),
        ({"high": 8.0}, "high"),
        ({"close": 12.5}, "close"),
        ({"open": 8.5}, "open"),
        ({"volume": -1.0}, "volume"),
        ({"taker_buy": 5.1}, "taker_buy"),
        ({"taker_buy": -0.1}, "taker_buy"),
        ({"trade_count": 2.5}, "trade_count"),
    ],
)
def test_a_bar_no_trading_can_make_is_refused_by_cell(changes, cell):
    found = reasons(flag_bars, bar(**changes))
    assert found is not None
    assert found[0] == cell


def test_missing_is_not_wrong():
    assert reasons(flag_bars, bar(taker_buy=np.nan, trade_count=np.nan)) is None


def test_rounding_of_sums_is_forgiven():
    assert reasons(flag_bars, bar(taker_buy=5.0 + 1e-12)) is None


@pytest.mark.parametrize("amount", [0.0, -1.0])
def test_no_open_interest_is_missing_open_interest(amount):
    assert reasons(flag_open_interest, {"amount": np.array([amount])})


def test_funding_and_ratios_have_their_bounds():
    assert reasons(flag_funding, {"rate": np.array([0.51])})
    assert reasons(flag_funding, {"rate": np.array([-0.4])}) is None
    assert reasons(flag_funding, {"rate": np.array([0.1]), "interval": np.array([0.0])}) is None
    assert reasons(flag_ratios, {"ratio": np.array([0.0])})
    assert reasons(flag_ratios, {"ratio": np.array([3.0])}) is None


def test_the_first_reason_counts():
    rejects = Rejects(2)
    rejects.flag(np.array([True, False]), "a", "first")
    rejects.flag(np.array([True, True]), "b", "second")
    assert rejects.reasons == {0: ("a", "first"), 1: ("b", "second")}
    assert rejects.is_usable.tolist() == [False, False]


def test_quarantine_keeps_the_row_as_received_up_to_its_length():
    (batch,) = quarantine(
        [QuarantinedRow("why", "x" * 5000, 7, "open", "BTC"), QuarantinedRow("whole", "answer")],
        Provenance("ohlcv", "okx", "request", "s", dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
    )
    first, second = batch.table.to_pylist()
    assert len(first["received"]) == LONGEST_RECEIVED == 2000
    assert (first["row_number"], first["column_name"], first["instrument"]) == (7, "open", "BTC")
    assert second["row_number"] is None
    assert second["kind"] == "ohlcv"


def named(**names):
    return Batch("instrument", table_of("instrument", [instrument_row(), instrument_row(**names)]))


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("asset", "../../x"),
        ("asset", "<script>alert(1)</script>"),
        ("asset", ""),
        ("asset", "A" * 65),
        ("asset", "BTC\x1b[2J"),
        ("asset", "BTC\n"),
        ("venue", "a/b"),
        ("venue", ".hidden"),
        ("instrument", "BTC USDT"),
        ("instrument", "[/x]"),
    ],
)
def test_a_row_whose_name_is_none_is_set_aside(column, name):
    usable, refused = separate_bad_names(named(**{column: name}))
    assert usable.table.num_rows == 1
    (row,) = refused.table.to_pylist()
    assert row["column_name"] == column
    assert f"{column} {name!r} is no name" in row["reason"]


@pytest.mark.parametrize("asset", ["BTC", "1INCH", "币安人生", "MOG$", "A-B_c.d+"])
def test_names_of_coins_pass(asset):
    batch = named(asset=asset)
    assert separate_bad_names(batch) == [batch]
