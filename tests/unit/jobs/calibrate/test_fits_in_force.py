"""Which fit holds when: the asset's own from its instant on, before it one that is shipped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jobs.calibrate import fits_in_force as module
from jobs.calibrate.fits_in_force import fits_in_force, shipped_fits
from jobs.instants import to_microseconds
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import LedgerFit
from warehouse.connect import insert_rows
from warehouse.contracts import stored_rows

START = datetime(2026, 1, 20, tzinfo=UTC)
END = datetime(2026, 3, 5, tzinfo=UTC)


def a_fit(provider="path_ledger", source="large", volume_usd=1e8):
    n_rows = LEDGERS[provider].n_rows
    return LedgerFit(
        provider=provider,
        structure_hash=LEDGERS[provider].structure_hash,
        source=source,
        weights=np.arange(n_rows) / 3.0,
        move_weight=5.0,
        constant=1.0,
        floor=0.5,
        log_sd=np.where(np.arange(n_rows + 2) % 2, np.inf, 0.1),
        volume_usd=volume_usd,
        fitted_from=0,
        fitted_until=1,
        valid_from=0,
        hour_count=3,
        is_pooled=True,
        is_shipped=True,
    )


@pytest.fixture
def connection(empty_warehouse):
    empty_warehouse.execute("begin transaction")
    yield empty_warehouse
    empty_warehouse.execute("rollback")


def bars(connection, volume_quantity, first, n_days):
    connection.execute(
        "insert into raw.instrument by name select 'okx' as venue, 'BTC/USDT:USDT' as instrument, "
        "'BTC' as asset, 'USDT' as quote, 'linear' as contract_kind, 1.0 as contract_size, "
        "1.0 as base_multiplier, true as is_active, ? as observed_at, 's' as source, "
        "? as ingested_at",
        [first, first],
    )
    connection.execute(
        "insert into raw.ohlcv by name select 'okx' as venue, 'BTC/USDT:USDT' as instrument, "
        "unnest(generate_series(?::timestamptz, ?::timestamptz, interval 1 hour)) as bar_start_at, "
        "3600 as bar_seconds, 1e4 as open, 1e4 as high, 1e4 as low, 1e4 as close, "
        "?::double as volume_quantity, 's' as source, ?::timestamptz as ingested_at",
        [first, first + timedelta(days=n_days), volume_quantity, first],
    )


def store(connection, fit, valid_from):
    names = [f"weight_{row}" for row in range(len(fit.weights))]
    log_sd = [None if np.isinf(one) else one for one in fit.log_sd.tolist()]
    parameters = [*names, "move", "constant", "floor"]
    rows = {
        "asset": "BTC",
        "provider": fit.provider,
        "valid_from_at": to_microseconds(valid_from),
        "parameter": parameters,
        "parameter_index": list(range(len(parameters))),
        "value": [*fit.weights.tolist(), fit.move_weight, fit.constant, fit.floor],
        "low": None,
        "high": None,
        "log_sd": [*log_sd, None],
        "is_identified": True,
        "unit": "usd",
        "params_hash": fit.params_hash,
        "structure_hash": fit.structure_hash,
        "fitted_on": fit.source,
        "realised_feeds": [[]] * len(parameters),
        "realised_venues": [[]] * len(parameters),
        "is_realised_complete": None,
        "fitted_from_at": fit.fitted_from,
        "fitted_until_at": fit.fitted_until,
        "hour_count": fit.hour_count,
        "volume_usd": fit.volume_usd,
        "is_short_fit": True,
        "is_pooled": False,
        "status": "fitted",
        "reason": None,
        "draws": [*fit.draws.T.tolist(), None] if len(fit.draws) else None,
        "run_id": "r",
    }
    insert_rows(connection, "derived.calibration", stored_rows("derived.calibration", rows))


def test_without_any_fit_the_reason_is_given(connection, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", {})
    found = fits_in_force(connection, ["BTC"], START, END)
    assert set(found) == {("BTC", "path_ledger"), ("BTC", "volume_ledger")}
    for one in found.values():
        assert one.fits == ()
        assert one.reason
        assert one.at(to_microseconds(END)) is None


def test_a_stored_fit_holds_after_its_instant_and_comes_back_as_it_was(connection, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", {})
    draws = np.random.default_rng(1).random((3, 66)).astype(np.float32)
    fit = replace(a_fit(source="BTC"), draws=draws)
    later = datetime(2026, 2, 1, tzinfo=UTC)
    store(connection, fit, later)
    own = fits_in_force(connection, ["BTC"], START, END)["BTC", "path_ledger"]
    assert own.at(to_microseconds(later)) is None
    found = own.at(to_microseconds(later) + 1)
    assert found.params_hash == fit.params_hash
    np.testing.assert_array_equal(found.weights, fit.weights)
    np.testing.assert_array_equal(found.log_sd, fit.log_sd)
    np.testing.assert_array_equal(found.draws, draws)


def test_of_stored_fits_only_those_in_force_come_back(connection, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", {})
    for day in (1, 10, 19):
        store(connection, a_fit(source="BTC", volume_usd=day), datetime(2026, 1, day, tzinfo=UTC))
    store(connection, a_fit(source="BTC", volume_usd=99), END + timedelta(days=1))
    own = fits_in_force(connection, ["BTC"], START, END)["BTC", "path_ledger"]
    assert [fit.volume_usd for fit in own.fits] == [19]


def test_before_the_first_own_fit_a_shipped_one_holds_scaled_day_by_day(connection, monkeypatch):
    monkeypatch.setattr(module, "SHIPPED", {"path_ledger:large": a_fit()})
    first = datetime(2026, 1, 10, tzinfo=UTC)
    bars(connection, 2e4, first, 60)
    march = datetime(2026, 3, 1, tzinfo=UTC)
    store(connection, a_fit(source="BTC"), march)
    own = fits_in_force(connection, ["BTC"], START, END)["BTC", "path_ledger"]
    assert [fit.source for fit in own.fits] == ["large"] * 40 + ["BTC"]
    assert [fit.is_shipped for fit in own.fits] == [True] * 40 + [False]
    # 2e4 units at 1e4 an hour are 2e8 USD, twice the volume it was fitted on.
    for fit in own.fits[:-1]:
        np.testing.assert_allclose(fit.weights, a_fit().weights * 2.0)
        assert fit.params_hash == a_fit().params_hash
    assert own.at(to_microseconds(march)).source == "large"
    assert own.at(to_microseconds(march) + 1).source == "BTC"


def test_the_nearest_size_is_shipped_where_its_own_is_not():
    shipped = {"path_ledger:large": a_fit(), "path_ledger:small": a_fit(source="small")}
    fits, reason = shipped_fits(LEDGERS["path_ledger"], {0: 1e6}, shipped)
    assert fits[0].source == "small"
    assert "small" in reason
    fits, _ = shipped_fits(
        LEDGERS["path_ledger"], {0: 1e9}, {"path_ledger:small": shipped["path_ledger:small"]}
    )
    assert fits[0].source == "small"


def test_a_shipped_fit_of_another_structure_is_not_used():
    other = replace(a_fit(), structure_hash="other")
    fits, reason = shipped_fits(LEDGERS["path_ledger"], {0: 1e9}, {"path_ledger:large": other})
    assert fits == []
    assert "path_ledger" in reason
