"""Assumptions swapped one at a time: what is looked at, when again, and what it says."""

from datetime import timedelta

import pytest
from workbench import DAY, END, ONE_THREAD, START, workshop

from jobs.compare.measure_sensitivity import HISTORY, measure_midnights, plan_months
from jobs.engines.engine_choice import open_engine
from transforms.estimators import ESTIMATORS
from transforms.sensitivity import swap_assumptions

BASE = ESTIMATORS["turnover"]
COLUMNS = "asset, as_of, provider, assumption, variant, side, overlap_ratio, scale_log_ratio"


@pytest.fixture
def shop(home):
    with workshop(home) as shop:
        yield shop


def look(shop, as_of=END, estimators=(BASE,), run_id="look", days=31, engine=ONE_THREAD):
    tasks = plan_months(shop.connection, as_of, days, estimators)
    with open_engine(engine) as opened:
        return measure_midnights(
            shop.connection, tasks, estimators=estimators, run_id=run_id, engine=opened
        )


def rows(shop, columns=COLUMNS, where="true"):
    return shop.rows(
        f"select {columns} from derived.assumption_sensitivity where {where} order by all"
    )


def midnights(shop):
    return shop.one(
        "select count(distinct (asset, as_of)) from derived.heatmap "
        "where hour(as_of) = 0 and venue = 'all' and provider = 'turnover'"
    )


def test_every_midnight_is_looked_at_once(shop):
    report = look(shop)
    assert report.map_count == midnights(shop)
    assert report.row_count == report.map_count * 3 * (1 + len(swap_assumptions(BASE)))
    assert look(shop).map_count == 0


def test_what_a_map_hangs_on_differs_from_swap_to_swap(shop):
    look(shop)
    found = dict(
        rows(
            shop,
            "assumption || ' ' || variant, overlap_ratio",
            f"asset = 'BTC' and as_of = timestamptz '{END}' and side = 'both'",
        )
    )
    # All bars lie within the replay: it makes the very map that is stored.
    assert found["history from 2026-01-01 on"] == pytest.approx(1, abs=1e-6)
    assert all(0 < overlap <= 1 for overlap in found.values())
    assert found["turnover_ratio 1"] < found["turnover_ratio 0.5"] < 1
    assert found["half_lives_days the same for all"] < 1


def test_less_that_can_be_liquidated_is_a_smaller_map_of_nearly_the_same_shape(shop):
    look(shop)
    for scale, overlap in rows(
        shop,
        "scale_log_ratio, overlap_ratio",
        "assumption = 'unlevered_share' and variant = '0.3' and side = 'both' and asset = 'BTC'",
    ):
        assert scale > 0
        assert overlap > 0.9


def test_rows_do_not_depend_on_when_they_were_made(shop):
    look(shop)
    at_once = rows(shop)
    shop.connection.execute("delete from derived.assumption_sensitivity")
    at = START + DAY
    while at <= END:
        look(shop, at)
        at += timedelta(hours=12)
    assert rows(shop) == at_once


def test_a_map_made_again_is_looked_at_again(shop):
    look(shop)
    shop.connection.execute(
        "update derived.heatmap set run_id = 'later' where asset = 'BTC' and as_of = ?", [END]
    )
    assert look(shop, run_id="again").map_count == 1
    assert rows(shop, "distinct asset, as_of", "run_id = 'again'") == [("BTC", END)]


def test_days_bound_how_far_back_is_looked(shop):
    assert look(shop, days=1).map_count < midnights(shop)
    assert {row[0] for row in rows(shop, "as_of")} == {END}


def test_every_hash_joins_to_its_parameters(shop):
    look(shop)
    assert (
        shop.one(
            "select count(*) from derived.assumption_sensitivity as row "
            "where not exists (from derived.estimator_parameter as known "
            "where known.params_hash = row.variant_params_hash) "
            "or not exists (from derived.estimator_parameter as known "
            "where known.params_hash = row.params_hash)"
        )
        == 0
    )


def test_days_that_changed_are_published_again(shop):
    shop.connection.execute("delete from meta.pending_publish")
    look(shop, days=1)
    assert set(shop.rows("select published_day from meta.pending_publish")) == {(END.date(),)}


def test_an_estimator_without_recursion_is_looked_at_too(shop):
    look(shop, estimators=(ESTIMATORS["volume_profile"],))
    assumptions = {row[0] for row in rows(shop, "assumption")}
    assert assumptions == {
        HISTORY,
        "weights",
        "unlevered_share",
        "reference_position_usd",
        "volume_half_life_days",
    }
