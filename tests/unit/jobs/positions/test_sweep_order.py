import numpy as np
import pytest

from jobs.positions.sweep_order import (
    HOUR_SECONDS,
    SweepFacts,
    SweepPolicy,
    lateness,
    latest,
    usual_trading,
)

POLICY = SweepPolicy()
ORDINARY = {
    "age_seconds": HOUR_SECONDS,
    "is_new": False,
    "is_listed": False,
    "position_count": 1,
    "largest_usd": 1_000.0,
    "nearest_ratio": np.inf,
    "traded_usd": 0.0,
    "trades": 0,
    "usual_trades_per_hour": 0.0,
}


def late(*accounts):
    """Return the lateness of accounts, each given by what sets it apart."""
    columns = {name: np.array([{**ORDINARY, **one}[name] for one in accounts]) for name in ORDINARY}
    return lateness(SweepFacts(**columns))


def test_large_and_near_accounts_come_long_before_others():
    large, near, other, empty = late(
        {"largest_usd": 1e5}, {"nearest_ratio": 0.03}, {}, {"position_count": 0}
    )
    assert large == near == 2.0
    assert other == pytest.approx(1 / 12)
    assert empty == pytest.approx(1 / 120)


def test_an_account_that_traded_comes_sooner_the_more_it_traded():
    much, some, little = late(
        *({"traded_usd": usd, "trades": 1, "age_seconds": 1200.0} for usd in (1e6, 6e4, 10.0))
    )
    assert 1.0 < some < much < POLICY.most_by_size
    assert little == pytest.approx(2 / 3)


def test_a_market_maker_comes_as_often_as_its_positions_require():
    maker = {"largest_usd": 1e6, "traded_usd": 5e6, "trades": 900, "usual_trades_per_hour": 900.0}
    assert late(maker)[0] == late({"largest_usd": 1e6})[0]


def test_trades_never_come_before_an_account_that_a_map_is_about_to_lose():
    traded, overdue = late(
        {"traded_usd": 1e9, "age_seconds": 11 * HOUR_SECONDS}, {"age_seconds": 20 * HOUR_SECONDS}
    )
    assert traded < POLICY.most_by_size < overdue


def test_the_larger_or_nearer_a_position_the_oftener_its_account_comes():
    larger, nearer, both, huge, at_the_edge = late(
        {"largest_usd": 1.6e6},
        {"nearest_ratio": 0.03 / 16},
        {"largest_usd": 4e5, "nearest_ratio": 0.03 / 16},
        {"largest_usd": 1e9},
        {"nearest_ratio": 0.0},
    )
    assert larger == nearer == both == 8.0
    assert huge == at_the_edge == 20.0


def test_an_account_found_by_a_trade_comes_within_minutes_on_a_list_or_not():
    traded, both = late(
        {"is_new": True, "age_seconds": 120.0},
        {"is_new": True, "age_seconds": 120.0, "is_listed": True, "traded_usd": 5.0},
    )
    assert traded == both == 2.0


def test_an_account_of_a_list_comes_before_known_ones_but_for_large_ones_and_large_traders():
    large, large_trader, listed, small, small_trader = late(
        {"largest_usd": 1e5},
        {"traded_usd": 1e5, "trades": 1},
        {"is_new": True, "is_listed": True},
        {"age_seconds": 15 * HOUR_SECONDS},
        {"traded_usd": 1e4, "trades": 1},
    )
    assert min(large, large_trader) > listed > max(small, small_trader)


def test_an_account_of_a_list_is_not_forgotten_where_the_limit_never_suffices():
    first, second = late(
        {"is_new": True, "is_listed": True, "age_seconds": 24 * HOUR_SECONDS},
        {"largest_usd": 1e5, "age_seconds": 3500.0},
    )
    assert first == 2.0 > second


def test_nothing_starves_under_overload():
    """Ten accounts, one sweep a step, far more than it can hold: all are seen."""
    ages = np.zeros(10)
    large = np.array([1e5] * 5 + [10.0] * 5)
    seen = np.zeros(10, dtype=int)
    for _ in range(2_000):
        ages += 1800.0
        accounts = [
            {"largest_usd": usd, "age_seconds": age} for usd, age in zip(large, ages, strict=True)
        ]
        (one,) = latest(late(*accounts), np.ones(10, bool), 1)
        ages[one] = 0.0
        seen[one] += 1
    assert seen.min() >= 10
    assert seen[:5].sum() > 20 * seen[5:].sum()


def test_the_latest_come_first_and_only_those_that_are_free():
    order = latest(np.array([1.0, 5.0, 3.0, 9.0, 4.0]), np.array([1, 1, 1, 0, 1], bool), 3)
    assert order.tolist() == [1, 4, 2]
    assert latest(np.zeros(0), np.zeros(0, bool), 5).size == 0


def test_of_equally_late_ones_the_first_go_first():
    late_ones = np.tile([1.0, 2.0], 500)
    assert latest(late_ones, np.ones(1000, bool), 3).tolist() == [1, 3, 5]
    order = latest(late_ones, np.ones(1000, bool), 503)
    assert order[:500].tolist() == list(range(1, 1000, 2))
    assert order[500:].tolist() == [0, 2, 4]


def test_the_oftener_an_account_trades_the_less_its_trades_count():
    seldom, often, all_the_time = late(
        *(
            {"traded_usd": 10.0, "trades": 1, "usual_trades_per_hour": rate, "age_seconds": 1200.0}
            for rate in (20.0, 40.0, 4000.0)
        )
    )
    assert seldom == pytest.approx(2 / 3) == 2 * often
    assert all_the_time == late({"age_seconds": 1200.0})[0]


def test_how_often_an_account_usually_trades_is_learned_in_hours():
    usual = 0.0
    for _ in range(8):
        usual = usual_trading(usual, 50, 1800.0)
    assert usual == pytest.approx(75.0, rel=0.01)
    assert usual_trading(usual, 1, 0.0) == usual
