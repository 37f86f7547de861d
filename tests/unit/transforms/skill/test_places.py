"""Where liquidations come within what price reached."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.workbench.panels import HOUR, panel_of
from transforms.errors import InvalidInput
from transforms.skill.panel import ScoreStatus
from transforms.skill.places import Places, halves_within, score_places, top_weights
from transforms.skill.score_table import ScoringRules

RULES = ScoringRules(n_draws=200, block_days=3.0)


def levels(seed, *, is_placed, n_hours=1200, n_cells=40):
    """Return levels price traded; the map says where liquidations are, or something else."""
    generator = np.random.default_rng(seed)
    map_usd = generator.gamma(1.0, 1.0, (n_hours, n_cells))
    truth = map_usd if is_placed else generator.gamma(1.0, 1.0, (n_hours, n_cells))
    reached = np.arange(n_cells) < generator.integers(1, n_cells, n_hours)[:, None]
    return Places(
        np.arange(1, n_hours + 1) * HOUR,
        truth * generator.gamma(1.0, 1.0, truth.shape),
        reached,
        {"map": map_usd, "path_only": np.ones(truth.shape)},
    )


def against(places, null, rules=RULES):
    rows = score_places(places, ["path_only"], rules)
    return next(row for row in rows if (row.model, row.null) == ("map", null))


def test_a_map_that_knows_the_places_is_seen_to():
    row = against(levels(1, is_placed=True), "path_only")
    assert row.misplaced_low > 0.2
    assert row.top_low > 0.4
    assert row.top_gain_low > 0.15
    assert 0.025 < row.place_quantile < 0.975


def test_a_map_that_does_not_is_no_better_than_chance_and_fails_the_test_of_place():
    row = against(levels(1, is_placed=False), "")
    assert row.misplaced_high < 0.0
    assert row.top_low < 0.25 < row.top_high
    assert row.place_quantile < 0.001


def test_even_levels_are_chance():
    row = score_places(levels(2, is_placed=True), [], RULES)[1]
    assert (row.model, row.null) == ("path_only", "")
    assert_allclose([row.misplaced_removed, row.top_gain], 0.0, atol=1e-9)
    assert row.top_share == pytest.approx(0.25)


def test_cells_that_price_did_not_reach_do_not_count():
    places = levels(3, is_placed=True)
    wild = Places(
        places.group_end,
        np.where(places.is_reached, places.realised_usd, 1e9),
        places.is_reached,
        {name: np.where(places.is_reached, one, 1e9) for name, one in places.predicted.items()},
    )
    assert score_places(wild, ["path_only"], RULES) == score_places(places, ["path_only"], RULES)


def test_neither_the_order_of_cells_nor_the_amount_of_a_model_matters():
    places = levels(4, is_placed=True)
    order = np.random.default_rng(1).permutation(40)
    other = Places(
        places.group_end,
        places.realised_usd[:, order],
        places.is_reached[:, order],
        {
            "map": 1e6 * places.predicted["map"][:, order],
            "path_only": places.predicted["path_only"][:, order],
        },
    )
    own, same = against(places, "path_only"), against(other, "path_only")
    assert_allclose(
        [own.misplaced_removed, own.top_share, own.place_quantile],
        [same.misplaced_removed, same.top_share, same.place_quantile],
    )


def test_top_weights_sum_to_the_share_and_split_ties():
    values = np.array([[3.0, 1.0, 3.0, 2.0, 9.0, 0.0], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]])
    reached = np.array([[True] * 6, [True] * 4 + [False] * 2])
    weights = top_weights(values, reached)
    assert_allclose(weights, [[0.25, 0.0, 0.25, 0.0, 1.0, 0.0], [0.25] * 4 + [0.0] * 2])
    assert_allclose(weights.sum(axis=1), 0.25 * reached.sum(axis=1))


def test_a_model_that_gives_a_group_nothing_splits_it_evenly():
    places = Places(
        np.arange(1, 201) * HOUR,
        np.tile([3.0, 1.0], (200, 1)),
        np.ones((200, 2), dtype=bool),
        {"map": np.zeros((200, 2))},
    )
    row = score_places(places, [], RULES)[0]
    assert_allclose([row.misplaced_removed, row.top_share], [0.0, 0.25], atol=1e-12)


def test_halves_are_paired_within_the_hour_and_only_where_both_are_known():
    half = HOUR // 2
    realised = np.arange(14.0).reshape(7, 2)
    realised[5] = np.nan
    panel = panel_of(realised, 1800, span_end=np.array([2, 3, 4, 5, 6, 7, 8]) * half)
    places = halves_within(panel, {"map": 2.0 * np.arange(14.0).reshape(7, 2)})
    assert places.group_end.tolist() == [4 * half] * 2 + [6 * half] * 2
    assert places.realised_usd.tolist() == [[2.0, 4.0], [3.0, 5.0], [6.0, 8.0], [7.0, 9.0]]
    assert_allclose(places.predicted["map"], 2.0 * places.realised_usd)


def test_too_few_groups_nothing_realised_and_a_missing_null_say_why():
    places = levels(5, is_placed=True, n_hours=100)
    assert {row.status for row in score_places(places, [], RULES)} == {ScoreStatus.TOO_FEW_SPANS}
    nothing = Places(
        places.group_end, 0.0 * places.realised_usd, places.is_reached, places.predicted
    )
    assert {row.status for row in score_places(nothing, [], RULES)} == {ScoreStatus.ALL_ZERO}
    rows = score_places(levels(5, is_placed=True), ["gone"], RULES)
    assert [row.status for row in rows if row.null == "gone"] == [ScoreStatus.NO_NULL] * 2


def test_few_days_give_figures_without_intervals_and_no_quantile():
    row = against(levels(6, is_placed=True, n_hours=200), "")
    assert row.status is ScoreStatus.SCORED
    assert row.misplaced_removed > 0.2
    assert np.isnan([row.misplaced_low, row.top_high, row.place_quantile]).all()


def test_amounts_that_cannot_be_are_refused():
    with pytest.raises(InvalidInput, match="map"):
        Places(
            np.array([HOUR]),
            np.ones((1, 2)),
            np.ones((1, 2), dtype=bool),
            {"map": -np.ones((1, 2))},
        )
