"""Which contract an asset's path follows on a day, and how its bars are joined to hours."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jobs.build.reference_path import ContractBars, ContractKey, ReferencePath, hourly_bars
from jobs.build.replay_records import BarColumns
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS

BINANCE = ContractKey(False, "binance", "BTC/USDT:USDT")
OKX = ContractKey(False, "okx", "BTC/USDT:USDT")
INVERSE = ContractKey(True, "binance", "BTC/USD:BTC")
NAN = float("nan")


def traded(usd_by_hour, first=0, price=1.0):
    """Return bars of consecutive hours with some volume each."""
    n_bars = len(usd_by_hour)
    end = (first + 1 + np.arange(n_bars, dtype=np.int64)) * HOUR_MICROSECONDS
    return ContractBars(end, np.full((6, n_bars), price), np.array(usd_by_hour, dtype=float))


def days(*usd_by_day):
    """Return hourly volumes, one figure a day."""
    return np.repeat(usd_by_day, 24)


def followed(hours, n_days, cuts=()):
    """Return the contract of each hour, in spans cut at some hours."""
    path = ReferencePath()
    edges = [0, *(cut * HOUR_MICROSECONDS for cut in cuts), n_days * DAY_MICROSECONDS]
    names, chosen = {}, {}
    for start, end in itertools.pairwise(edges):
        parts = {
            key: bars.part(*np.searchsorted(bars.end, [start, end], side="right").tolist())
            for key, bars in hours.items()
        }
        made = path.follow(parts, start, end)
        chosen |= made.chosen
        for at, number in zip(made.bars.end.tolist(), made.contract.tolist(), strict=True):
            names[at // HOUR_MICROSECONDS] = made.contracts[number]
    return names, {at // DAY_MICROSECONDS: key for at, key in chosen.items()}


def test_a_day_follows_the_contract_that_traded_most_on_the_day_before():
    hours = {BINANCE: traded(days(5.0, 1.0, 1.0)), OKX: traded(days(2.0, 9.0, 1.0))}
    names, chosen = followed(hours, 3)
    assert [names[hour] for hour in (1, 24, 25, 48, 49, 72)] == [BINANCE] * 4 + [OKX] * 2
    assert chosen == {1: BINANCE, 2: OKX, 3: BINANCE}


def test_the_first_day_follows_what_traded_most_in_the_first_hour():
    # More is known of the day only once it is over.
    hours = {BINANCE: traded([1.0] + [100.0] * 23), OKX: traded([2.0] + [1.0] * 23)}
    names, chosen = followed(hours, 1)
    assert set(names.values()) == {OKX}
    assert chosen == {1: BINANCE}


def test_a_linear_contract_comes_before_a_larger_inverse_one():
    hours = {INVERSE: traded(days(9.0, 9.0)), OKX: traded(days(1.0), first=24)}
    names, chosen = followed(hours, 2)
    assert set(names.values()) == {INVERSE}
    assert chosen == {1: INVERSE, 2: OKX}


def test_equal_volumes_are_decided_by_name():
    names, _ = followed({OKX: traded(days(1.0, 1.0)), BINANCE: traded(days(1.0, 1.0))}, 2)
    assert set(names.values()) == {BINANCE}


def test_a_contract_that_stopped_is_not_followed_into_the_next_day():
    hours = {BINANCE: traded([9.0] * 30), OKX: traded(days(1.0, 1.0, 1.0))}
    names, chosen = followed(hours, 3, cuts=(29, 31, 40))
    assert chosen == {1: BINANCE, 2: OKX, 3: OKX}
    assert [hour for hour in range(1, 73) if hour not in names] == list(range(31, 49))


def test_where_every_contract_stopped_the_largest_is_followed():
    hours = {BINANCE: traded([9.0] * 20), OKX: traded([1.0] * 23)}
    _, chosen = followed(hours, 1)
    assert chosen == {1: BINANCE}


def test_a_day_without_trade_changes_nothing():
    hours = {BINANCE: traded(days(1.0)), OKX: traded(days(9.0), first=48)}
    names, chosen = followed(hours, 3)
    assert chosen == {1: BINANCE, 2: BINANCE, 3: OKX}
    assert max(names) == 24


@pytest.mark.parametrize("cuts", [(1,), (24,), (30, 31, 60), tuple(range(1, 72))])
def test_a_path_does_not_depend_on_how_it_is_cut(cuts):
    generator = np.random.default_rng(4)
    hours = {key: traded(generator.random(72)) for key in (BINANCE, OKX, INVERSE)}
    assert followed(hours, 3, cuts) == followed(hours, 3)


def test_bars_of_an_hour_are_joined():
    minutes = 20 * 60 * 1_000_000
    start = 3 * HOUR_MICROSECONDS + np.array([0, 1, 2, 3], dtype=np.int64) * minutes
    prices = np.array(
        [
            [10.0, 12.0, 11.0, 10.0],
            [13.0, 14.0, 12.0, 11.0],
            [9.0, 11.0, 8.0, 9.0],
            [12.0, 11.0, 10.0, 10.0],
            [NAN, 13.5, NAN, NAN],
            [NAN, 11.5, NAN, NAN],
        ]
    )
    volume = np.array([1.0, 2.0, 3.0, 4.0])
    bars = BarColumns(start, start + minutes, prices, volume, volume, volume)
    joined = hourly_bars(bars, "linear")
    assert_array_equal(joined.end // HOUR_MICROSECONDS, [4, 5])
    # The mark where it is known, the last price in the bars without one.
    assert_array_equal(joined.prices[:, 0], [10.0, 14.0, 8.0, 10.0, 13.5, 8.0])
    assert_array_equal(joined.prices[:, 1], [10.0, 11.0, 9.0, 10.0, NAN, NAN])
    assert_array_equal(joined.volume_usd, [12.0 + 22.0 + 30.0, 40.0])
    assert_array_equal(hourly_bars(bars, "inverse").volume_usd, [6.0, 4.0])
