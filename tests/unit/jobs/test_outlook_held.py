"""How often the interval of a day held what was published, from rows of the outlook."""

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from warehouse.queries import named_query

FIRST = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def held():
    """Return the answer for some rows: days from the first, venues, amount, lower bound."""
    with duckdb.connect() as connection:
        connection.execute(
            "set timezone = 'UTC'; create schema marts; "
            "create table marts.liquidation_outlook_daily (asset varchar, as_of timestamptz, "
            "expected_usd double, expected_q10_usd double, expected_q90_usd double, "
            "realised_usd double, realised_venues varchar[], completeness varchar, "
            "is_in_interval boolean)"
        )

        def answer(rows, as_of=None):
            for day, venues, usd, completeness in rows:
                connection.execute(
                    "insert into marts.liquidation_outlook_daily "
                    "values ('BTC', ?, 20.0, 10.0, 40.0, ?, ?, ?, ? between 10.0 and 40.0)",
                    [FIRST + timedelta(days=day), usd, venues, completeness, usd],
                )
            found = connection.execute(
                named_query("outlook_held"), {"asset": "BTC", "as_of": as_of}
            )
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

        yield answer


def test_amounts_below_within_and_above_are_counted(held):
    rows = [(0, ["okx"], usd, "lower_bound") for usd in (5.0, 20.0)]
    rows += [(1, ["okx"], usd, "lower_bound") for usd in (30.0, 45.0)]
    (found,) = held(rows)
    assert found == {
        "day_count": 2,
        "amount_count": 4,
        "in_interval_count": 2,
        "below_count": 1,
        "above_count": 1,
        "expected_ratio": 0.8,
        "is_lower_bound": True,
    }


def test_days_of_other_venues_and_incomplete_ones_do_not_count(held):
    rows = [(0, ["bybit"], 5.0, "complete"), (1, ["okx"], 20.0, "complete")]
    rows.append((2, None, None, "unknown"))
    (found,) = held(rows)
    assert (found["day_count"], found["in_interval_count"]) == (1, 1)
    assert not found["is_lower_bound"]


def test_later_days_do_not_count_and_without_a_day_there_is_no_row(held):
    rows = [(1, ["okx"], 20.0, "complete")]
    assert held(rows, FIRST) == []
    assert len(held([], FIRST + timedelta(days=1))) == 1
