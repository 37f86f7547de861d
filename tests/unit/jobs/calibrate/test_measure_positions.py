"""Lessons from the log of followed accounts in a warehouse."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from workbench import prepare_home
from workbench.position_log import Population, simulate

from jobs.calibrate import measured_log
from jobs.calibrate.measure_positions import measure_positions
from jobs.instants import to_microseconds
from warehouse.connect import insert_rows, open_warehouse
from warehouse.contracts import stored_rows

START = datetime(2026, 3, 1, tzinfo=UTC)
POPULATION = Population(
    leverages=(3.0, 10.0, 25.0), weights=(0.3, 0.4, 0.3), half_lives_days=(12.0, 4.0, 1.0),
    accounts=300, days=20.0,
)  # fmt: skip
END = START + timedelta(days=POPULATION.days)


def logged(log):
    """Return rows of the log as a collector lands them."""
    at = to_microseconds(START)
    is_known = log.is_opening | ~log.is_start
    change = np.select(
        [log.quantity == 0.0, log.is_opening, log.is_start], ["closed", "opened", "first"], "moved"
    )
    count = len(log)
    # Each position is an asset of its own here, whose largest leverage is that of the position.
    margin = np.where(log.is_short, 0.5, -0.5) / log.leverage
    return stored_rows(
        "raw.account_position",
        {
            "account_key": [f"{each:016x}" for each in log.account.tolist()],
            "venue_scope": "hyperliquid",
            # One position an account and asset at a time: the number of the position is the asset.
            "asset": [f"C{each}" for each in log.asset.tolist()],
            "observed_at": at + log.observed_at,
            "previous_at": pa.array(at + log.changed_from, mask=~is_known),
            "traded_from_at": [None] * count,
            "traded_until_at": [None] * count,
            "change": change.tolist(),
            "side": np.where(log.is_short, "short", "long").tolist(),
            "quantity": log.quantity,
            "previous_quantity": [None] * count,
            "entry_price": log.entry_price,
            "liquidation_price": log.liquidation_price / (1.0 + margin),
            "leverage": log.leverage,
            "is_cross": log.is_cross.tolist(),
            "margin_usd": None,
            "mark_price": log.mark_price,
            "account_value_usd": None,
            "source": "simulated",
            "ingested_at": END,
        },
    )


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Return a connection to a warehouse with the log of a known population, measured once."""
    home = tmp_path_factory.mktemp("followed")
    prepare_home(home)
    log, _ = simulate(POPULATION, seed=3)
    with open_warehouse(home / "warehouse.duckdb") as connection:
        insert_rows(connection, "raw.account_position", logged(log))
        connection.execute(
            "insert into raw.instrument by name select 'binance' as venue, "
            "'BTC/USDT:USDT' as instrument, 'BTC' as asset, 'USDT' as quote, "
            "'linear' as contract_kind, 1 as contract_size, 1 as base_multiplier, "
            "true as is_active, $1::timestamptz as observed_at, "
            "'x' as source, $1::timestamptz as ingested_at",
            [START],
        )
        count = measure_positions(connection, END, "one")
        assert count > 0
        yield connection


def parameters(connection, parameter, weighting):
    return {
        leverage: (value, low, high)
        for leverage, value, low, high in connection.execute(
            "select leverage, value, low, high from derived.measured_parameter "
            "where venue = 'hyperliquid' and parameter = ? and weighting = ?",
            [parameter, weighting],
        ).fetchall()
    }


@pytest.mark.parametrize("weighting", ["quantity", "count"])
def test_weights_and_half_lives_of_the_population_lie_in_their_intervals(followed, weighting):
    for parameter, truth in (
        ("weight", POPULATION.weights),
        ("half_life", POPULATION.half_lives_days),
    ):
        found = parameters(followed, parameter, weighting)
        for leverage, value in zip(POPULATION.leverages, truth, strict=True):
            _, low, high = found[leverage]
            assert low <= value <= high, (parameter, leverage)


def test_a_tier_that_nobody_uses_has_a_reason_and_no_figure(followed):
    rows = followed.execute(
        "select distinct value, reason from derived.measured_parameter "
        "where venue = 'hyperliquid' and parameter = 'half_life' and leverage = 100"
    ).fetchall()
    assert rows == [(None, "no position")]


def test_values_for_other_venues_are_marked_as_assumptions(followed):
    rows = followed.execute(
        "select is_assumption, low, reason from derived.measured_parameter where venue = 'binance'"
    ).fetchall()
    assert rows
    assert all(
        is_assumption and low is None and "assumed" in why for is_assumption, low, why in rows
    )


def test_shares_of_leverage_sum_to_one_and_standing_ones_last_longer(followed):
    rows = followed.execute(
        "select kind, sum(count_ratio), any_value(count_ratio) filter (leverage = 3) "
        "from derived.measured_leverage "
        "where asset = 'all' and size = 'all' and basis = 'set' group by kind order by kind"
    ).fetchall()
    (_, fresh_sum, fresh), (_, standing_sum, standing) = rows
    assert (fresh_sum, standing_sum) == (pytest.approx(1.0), pytest.approx(1.0))
    assert standing > 1.5 * fresh


def test_survival_falls_with_the_horizon_and_rises_with_leverage(followed):
    rows = followed.execute(
        "select leverage_class, list(count_ratio order by horizon_hours) "
        "from derived.measured_survival where asset = 'all' and distance = 'all' "
        "and outcome = 'gone' and leverage_class in ('up to 3x', 'above 20x') "
        "group by leverage_class order by leverage_class"
    ).fetchall()
    (_, fast), (_, slow) = rows
    assert fast == sorted(fast)
    assert slow == sorted(slow)
    assert all(quick > patient for quick, patient in zip(fast, slow, strict=True))
    # A day after, a tier with a half-life of a day has lost about half, and what was gone unseen.
    assert 0.5 < fast[2] < 0.65


def test_a_size_changed_between_the_trades_of_its_account(followed, tmp_path):
    prepare_home(tmp_path)
    at = {name: START + timedelta(hours=hours) for name, hours in
          (("previous", 1), ("from", 8), ("until", 9), ("seen", 10))}  # fmt: skip
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        connection.execute(
            "insert into raw.account_position by name select 'a' as account_key, "
            "'hyperliquid' as venue_scope, 'BTC' as asset, unnest([$2, $5]) as observed_at, "
            "unnest([null, $2]) as previous_at, unnest([null, $3]) as traded_from_at, "
            "unnest([null, $4]) as traded_until_at, unnest(['first', 'closed']) as change, "
            "'long' as side, unnest([1.0, 0.0]) as quantity, 'x' as source, $1 as ingested_at",
            [START, *at.values()],
        )
        found = measured_log.read_measured_log(connection, START + timedelta(days=1)).changes
    assert found.changed_from.tolist() == [
        to_microseconds(at["previous"]),
        to_microseconds(at["from"]),
    ]
    assert found.changed_until[1] == to_microseconds(at["until"])
    assert not found.is_opening.any()


def test_measuring_again_replaces_the_rows_of_the_midnight(followed):
    before = followed.execute(
        "select * exclude (run_id) from derived.measured_parameter"
    ).fetchall()
    measure_positions(followed, END, "two")
    again = followed.execute("select * exclude (run_id) from derived.measured_parameter").fetchall()
    assert again == before


def test_of_a_long_log_a_sample_of_accounts_is_read_and_said(followed, monkeypatch):
    whole = measured_log.read_measured_log(followed, END)
    monkeypatch.setattr(measured_log, "MOST_ROWS", len(whole.changes) // 2)
    part = measured_log.read_measured_log(followed, END)
    assert part.sampled_account_ratio < 1.0
    assert part.changes.n_accounts < whole.changes.n_accounts


def test_without_followed_accounts_there_are_no_rows(tmp_path):
    prepare_home(tmp_path)
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        assert measure_positions(connection, END, "one") == 0


def test_a_collector_that_was_down_for_days_gives_no_figure_and_a_warning(followed, caplog):
    assert measure_positions(followed, END + timedelta(days=4), "late") == 0
    assert "liqheat collect-positions" in caplog.text


def test_an_hour_of_following_makes_no_figure(followed):
    early = START + timedelta(hours=12)
    assert measure_positions(followed, early, "early") == 0
