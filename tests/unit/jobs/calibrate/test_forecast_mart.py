"""The mart of forecasts over a stretch of hours: capture and interval against plain numpy."""

from datetime import UTC, datetime

import numpy as np
import pytest

from jobs.instants import HOUR_MICROSECONDS, to_instant, to_microseconds
from transforms.calibration.capture import trailing_capture
from warehouse.models import models, set_window

FIRST = to_microseconds(datetime(2026, 1, 1, tzinfo=UTC))
N_HOURS = 380


@pytest.fixture(scope="module")
def forecast(empty_warehouse):
    """Return realised and predicted USD, and the mart's rows of both sides by hour."""
    generator = np.random.default_rng(1)
    predicted = generator.gamma(0.5, 100.0, (N_HOURS, 2))
    realised = predicted * generator.gamma(2.0, 0.4, (N_HOURS, 2))
    realised[50:60] = np.nan
    empty_warehouse.execute("begin transaction")
    empty_warehouse.execute("drop view intermediate.int_realised_liquidation_hour")
    empty_warehouse.execute(
        "create table intermediate.int_realised_liquidation_hour as select 'BTC' as asset, "
        "? + to_hours(hour::integer) as as_of, long_usd as realised_long_liquidation_usd, "
        "short_usd as realised_short_liquidation_usd, ['okx'] as realised_liquidation_venues, "
        "['okx by s'] as realised_liquidation_feeds, true as is_realised_liquidation_complete, "
        "hour = 70 as is_realised_liquidation_partial "
        "from (select unnest(?::bigint[]) as hour, unnest(?::double[]) as long_usd, "
        "unnest(?::double[]) as short_usd)",
        [
            to_instant(FIRST),
            list(range(N_HOURS)),
            *([None if np.isnan(one) else one for one in side] for side in realised.T),
        ],
    )
    for side, amounts in zip(("long", "short"), predicted.T, strict=True):
        empty_warehouse.execute(
            "insert into intermediate.int_prediction_hour by name select 'BTC' as asset, "
            "? + to_hours(hour::integer) as as_of, 'turnover' as provider, 'okx' as venue, "
            "? as side, 'positions' as method, usd as consumed_usd, 0.0 as swept_usd, "
            "'h' as params_hash from (select unnest(?::bigint[]) as hour, "
            "unnest(?::double[]) as usd)",
            [to_instant(FIRST), side, list(range(N_HOURS)), amounts.tolist()],
        )
    yield empty_warehouse, realised, predicted
    empty_warehouse.execute("rollback")


def rows_of(connection, first, last):
    """Return the columns of the mart for hours [first, last], shape (n_hours, 2) each."""
    (model,) = (each for each in models() if each.name == "marts.liquidation_forecast_hourly")
    set_window(
        connection,
        ["BTC"],
        to_instant(FIRST + (first - 1) * HOUR_MICROSECONDS),
        to_instant(FIRST + last * HOUR_MICROSECONDS),
    )
    table = connection.execute(
        f"select * from ({model.select}\n) where tier = 'all' order by as_of, side"
    ).to_arrow_table()
    set_window(connection, None, None, None)
    return {
        name: table[name].to_numpy(zero_copy_only=False).reshape(-1, 2)
        for name in ("capture_ratio", "expected_low_usd", "expected_high_usd", "is_left_out")
    }


def test_capture_is_that_of_the_model(forecast):
    connection, realised, predicted = forecast
    rows = rows_of(connection, 0, N_HOURS - 1)
    is_usable = np.arange(N_HOURS) != 70
    expected = trailing_capture(realised, predicted, is_usable=is_usable)
    np.testing.assert_allclose(rows["capture_ratio"][:, 0].astype(float), expected, rtol=1e-9)
    np.testing.assert_array_equal(np.nonzero(rows["is_left_out"][:, 0])[0], [70])


def test_an_interval_holds_the_middle_of_the_ratios_of_predictions_of_like_size(forecast):
    connection, realised, predicted = forecast
    rows = rows_of(connection, 0, N_HOURS - 1)
    low, high = (rows[name].astype(float) for name in ("expected_low_usd", "expected_high_usd"))
    is_usable = np.isfinite(realised).all(axis=1) & (np.arange(N_HOURS) != 70)
    size_class = np.full((N_HOURS, 2), -1)
    for hour in range(24, N_HOURS):
        week = np.arange(max(hour - 168, 0), hour)
        sizes = np.quantile(predicted[week[is_usable[week]]], [0.25, 0.5, 0.75, 0.9])
        size_class[hour] = (predicted[hour][:, None] >= sizes).sum(axis=1)
    week = np.arange(N_HOURS - 169, N_HOURS - 1)
    week = week[is_usable[week]]
    for side in (0, 1):
        alike = size_class[week] == size_class[-1, side]
        ratios = (realised / predicted)[week][alike]
        expected = np.quantile(ratios, [0.09, 0.91]) * predicted[-1, side]
        np.testing.assert_allclose([low[-1, side], high[-1, side]], expected, rtol=1e-9)
    known = np.isfinite(low) & np.isfinite(realised)
    inside = ((realised >= low) & (realised <= high))[known].mean()
    assert 0.74 < inside < 0.86


def test_rows_do_not_depend_on_where_the_window_begins(forecast):
    connection, _, _ = forecast
    whole = rows_of(connection, 0, N_HOURS - 1)
    part = rows_of(connection, 360, N_HOURS - 1)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][360:])


def test_hours_are_left_out_after_three_days_without_a_liquidation(forecast):
    connection, _, _ = forecast
    silent = [to_instant(FIRST + hour * HOUR_MICROSECONDS) for hour in (200, 299)]
    connection.execute(
        "update intermediate.int_realised_liquidation_hour set realised_long_liquidation_usd = 0, "
        "realised_short_liquidation_usd = 0 where as_of between ? and ?",
        silent,
    )
    rows = rows_of(connection, 0, N_HOURS - 1)
    assert np.nonzero(rows["is_left_out"][:, 0])[0].tolist() == [70, *range(271, 300)]
    part = rows_of(connection, 310, N_HOURS - 1)
    for name, values in part.items():
        np.testing.assert_array_equal(values, rows[name][310:])
