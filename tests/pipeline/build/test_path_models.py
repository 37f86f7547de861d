"""What the ledgers and the null rest on in a build."""

from collections import defaultdict

import numpy as np
import pytest
from workbench import DAY, START, workshop
from workbench.ledger_fits import CHANGE, DAYS, plain_market, round_fit, use_fits

from jobs.build.path_records import PATH_MODELS
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from transforms.estimators import ESTIMATORS
from transforms.grid import LOG_STEP
from transforms.ledger import LEDGERS, advance
from transforms.series import Bars

pytestmark = pytest.mark.usefixtures("two_fits")

TURNOVER = (ESTIMATORS["turnover"],)


def test_maps_are_rows_of_the_ledger_weighted_by_the_fit_and_multiplied_by_the_capture(tmp_path):
    records = plain_market()
    end = START + DAYS * DAY
    with workshop(tmp_path) as shop:
        shop.take_in(records)
        shop.build(end, TURNOVER, PATH_MODELS)
        exposures = shop.rows(
            "select provider, epoch_us(as_of), side, exposure, move_log, map_usd, move_usd, "
            "constant_usd, capture_ratio, capture_hour_count from derived.path_exposure "
            "where provider <> 'path_only' order by all"
        )
        maps = dict(
            shop.rows(
                "select (provider, epoch_us(as_of), side), list_sum(liquidation_usd::double[]) "
                "from derived.heatmap where semantics = 'expected_realised' and venue = 'all'"
            )
        )
        realised = dict(
            shop.rows(
                "select epoch_us(period_start_at + interval 1 hour), sum(liquidated_usd) "
                "from raw.realised_liquidation group by all"
            )
        )
    assert len(maps) == len(exposures) == 2 * 2 * DAYS * 24
    expected = defaultdict(float)
    for provider, at, _, exposure, move, map_usd, move_usd, constant_usd, *_ in exposures:
        fit = round_fit(provider, scale=1 if at <= CHANGE else 3)
        assert map_usd == pytest.approx(np.dot(exposure, fit.weights))
        assert move_usd == pytest.approx(fit.move_weight * move**2)
        total = map_usd + move_usd + constant_usd
        assert total == pytest.approx(max(map_usd + move_usd + fit.constant, fit.floor))
        expected[provider, at] += total
    known = 0
    for provider, at, *_, capture, hour_count in exposures:
        week = [at - back * HOUR_MICROSECONDS for back in range(1, 169)]
        counted = [hour for hour in week if (provider, hour) in expected]
        assert hour_count == len(counted)
        if len(counted) < 24:
            assert capture is None
            continue
        known += 1
        published = sum(realised[hour] for hour in counted)
        assert capture == pytest.approx(
            published / sum(expected[provider, hour] for hour in counted)
        )
    assert known > 0
    # What is left of a ledger at an hour's end by a second, shorter way: the map of the last hour.
    for provider, ledger in LEDGERS.items():
        standing, price = last_standing(records["ohlcv"], ledger)
        near = np.abs(np.log(price)) <= 0.45
        for number, side in enumerate(("long", "short")):
            fit = round_fit(provider, scale=3)
            last = to_microseconds(end)
            (capture,) = {row[8] for row in exposures if row[:3] == (provider, last, side)}
            own = capture * (standing[number][near] @ fit.weights).sum()
            assert maps[provider, last, side] == pytest.approx(own, rel=0.05)


def last_standing(table, ledger):
    """Return what stands at the last close, shape (2, n_nodes, n_rows), and nodes over close."""
    n_bars = len(table)
    column = {name: table[name].to_numpy() for name in table.column_names if name in PRICES}
    none, flag = np.full(n_bars, np.nan), np.zeros(n_bars, dtype=np.bool_)
    bars = Bars(
        **column,
        mark_high=none,
        mark_low=none,
        volume=table["volume_quantity"].to_numpy(),
        taker_buy=none,
        open_interest=np.zeros(n_bars),
        is_imputed=flag,
        has_gap_before=flag,
        bar_seconds=3600,
    )
    state, _ = advance(ledger, bars, np.arange(n_bars))
    standing = state.standing()
    nodes = state.first_node + np.arange(standing.shape[1])
    return standing, np.exp(nodes * LOG_STEP) / bars.close[-1]


PRICES = ("open", "high", "low", "close")


def test_without_liquidations_capture_is_unknown_and_maps_are_as_fitted(tmp_path):
    records = plain_market()
    del records["realised_liquidation"]
    with workshop(tmp_path) as shop:
        shop.take_in(records)
        shop.build(START + DAYS * DAY, TURNOVER, PATH_MODELS)
        assert shop.rows(
            "select distinct capture_ratio, capture_hour_count from derived.path_exposure"
        ) == [(None, 0)]
        assert shop.one("select count(*) from derived.heatmap") == 2 * 2 * DAYS * 24


def test_without_a_fit_there_is_a_path_and_no_map(tmp_path, monkeypatch):
    use_fits(monkeypatch)
    with workshop(tmp_path) as shop:
        shop.take_in(plain_market())
        shop.build(START + DAYS * DAY, TURNOVER, PATH_MODELS)
        rows = shop.rows(
            "select provider, count(*), count(map_usd), count(capture_ratio), "
            "any_value(params_hash) from derived.path_exposure group by provider order by provider"
        )
        assert shop.one("select count(*) from derived.heatmap") == 0
    hashes = {model.provider: model.structure_hash for model in PATH_MODELS}
    assert rows == [(name, 2 * DAYS * 24, 0, 0, hashes[name]) for name in sorted(hashes)]


def test_path_only_has_a_path_and_neither_map_nor_vote(tmp_path, bitcoin):
    with workshop(tmp_path) as shop:
        shop.take_in(bitcoin)
        shop.build(START + DAY, TURNOVER, PATH_MODELS)
        assert shop.one(
            "select count(*) from derived.path_exposure "
            "where provider = 'path_only' and list_sum(exposure) > 0"
        )
        for name in ("derived.heatmap", "derived.band", "derived.cascade_scenario"):
            assert not shop.one(f"select count(*) from {name} where provider = 'path_only'")
