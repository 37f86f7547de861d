"""Models against nulls, out of sample: what is seen, what is not, and what must not matter."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.workbench.panels import HOUR, market, panel_of
from transforms.calibration.fit_status import FitStatus
from transforms.calibration.poisson import fit_poisson
from transforms.errors import InvalidParameters
from transforms.skill import predictions
from transforms.skill.evaluate import Protocol, evaluate, evaluate_rolling
from transforms.skill.panel import ScoreStatus
from transforms.skill.predictions import Terms
from transforms.skill.score_table import ScoringRules

DAY = 24 * HOUR
FIT, END = 30 * DAY, 60 * DAY
FIGURES = (
    *("hours", "d2", "d2_low", "d2_high", "gamma_deviance_removed", "gain_per_hour", "gain_low"),
    *("gain_high", "t_statistic", "t_p_value", "w_p_value", "calibration_slope", "ratio"),
    *("short_window_share", "number_quantile"),
)


def scored(panels, models=("open_interest",), nulls=("path_only",), **changes):
    rules = ScoringRules(n_draws=200, **changes)
    return {
        (row.model, row.null): row
        for row in evaluate(panels, FIT, FIT, END, models, nulls, Protocol(rules=rules))
    }


def figures(rows):
    return np.array([[getattr(row, name) for name in FIGURES] for row in rows.values()])


def test_a_market_where_open_interest_places_liquidations_is_seen_to():
    row = scored(market(1, is_placed_by_open_interest=True))["open_interest", "path_only"]
    assert row.d2_low > 0.1
    assert row.gain_low > 0.0
    assert max(row.t_p_value, row.w_p_value) < 0.05


def test_a_market_where_it_does_not_is_seen_not_to():
    row = scored(market(1, is_placed_by_open_interest=False))["open_interest", "path_only"]
    assert row.d2_high < 0.0
    assert row.gain_high < 0.0


def test_a_model_that_only_repeats_the_null_gains_nothing():
    panel = market(2, is_placed_by_open_interest=False)
    own = panel.exposures["path_only"]
    panel = replace(panel, exposures={"path_only": own, "copy": 7.0 * own})
    row = scored(panel, ("copy",))["copy", "path_only"]
    assert_allclose([row.d2, row.gain_per_hour], 0.0, atol=1e-6)


def test_what_is_right_has_a_ratio_and_a_slope_of_about_one():
    row = scored(market(3, is_placed_by_open_interest=True))["open_interest", ""]
    assert row.ratio == pytest.approx(1.0, abs=0.1)
    assert row.calibration_slope == pytest.approx(1.0, abs=0.2)
    assert row.short_window_share > 0.5
    assert 0.025 < row.number_quantile < 0.975


def test_the_unit_of_a_models_exposure_does_not_matter():
    panel = market(4, is_placed_by_open_interest=True)
    scaled = {name: 1e6 * one for name, one in panel.exposures.items()}
    assert_allclose(
        figures(scored(replace(panel, exposures=scaled))), figures(scored(panel)), rtol=1e-5
    )


def test_the_order_of_models_does_not_matter():
    panel = market(5, is_placed_by_open_interest=True)
    names = ("open_interest", "activity_glm", "distance_profile")
    forward, backward = scored(panel, names), scored(panel, names[::-1])
    for pair, row in forward.items():
        assert_allclose(figures({0: row}), figures({0: backward[pair]}), rtol=1e-9)


def test_what_a_flagged_hour_holds_changes_nothing():
    panel = market(6, is_placed_by_open_interest=True)
    is_left_out = np.zeros(len(panel), dtype=bool)
    is_left_out[[100, 500, 900, 1300]] = True
    realised = panel.realised_usd.copy()
    realised[is_left_out] = 1e15
    exposure = panel.exposures["open_interest"].copy()
    exposure[is_left_out] = 1e9
    wild = replace(
        panel,
        is_left_out=is_left_out,
        realised_usd=realised,
        exposures={**panel.exposures, "open_interest": exposure},
    )
    rows = scored(wild)
    assert_allclose(figures(rows), figures(scored(replace(panel, is_left_out=is_left_out))))
    assert rows["open_interest", ""].hours == 30 * 24 - 2


def test_days_on_which_the_feed_was_down_are_not_scored_as_zeros():
    panel = market(6, is_placed_by_open_interest=True)
    is_down = (np.arange(len(panel)) >= 1000) & (np.arange(len(panel)) < 1072)
    dead = replace(panel, realised_usd=np.where(is_down[:, None], 0.0, panel.realised_usd))
    flagged = replace(panel, is_left_out=is_down)
    assert_allclose(figures(scored(dead)), figures(scored(flagged)))


def test_nothing_after_the_test_reaches_a_prediction():
    panel = market(7, is_placed_by_open_interest=True)
    late = panel.span_end > 50 * DAY
    realised = np.where(late[:, None], 9.0 * panel.realised_usd, panel.realised_usd)
    rules = Protocol(rules=ScoringRules(n_draws=50))
    both = [
        evaluate(one, FIT, FIT, 50 * DAY, ["open_interest"], ["path_only"], rules)
        for one in (panel, replace(panel, realised_usd=realised))
    ]
    assert_allclose(*(figures(dict(enumerate(rows))) for rows in both), rtol=0.0)


def test_models_are_compared_on_hours_that_all_of_them_predict():
    panel = market(8, is_placed_by_open_interest=True)
    exposure = panel.exposures["open_interest"].copy()
    exposure[1000:1010] = np.nan
    panel = replace(panel, exposures={**panel.exposures, "open_interest": exposure})
    assert {row.hours for row in scored(panel).values()} == {30 * 24 - 10}


def test_a_model_that_predicts_few_hours_does_not_take_them_from_the_others():
    panel = market(8, is_placed_by_open_interest=True)
    exposure = panel.exposures["open_interest"].copy()
    exposure[800:] = np.nan
    rows = scored(replace(panel, exposures={**panel.exposures, "open_interest": exposure}))
    assert rows["open_interest", ""].status is ScoreStatus.TOO_FEW_SPANS
    assert np.isnan(rows["open_interest", ""].d2)
    assert rows["path_only", ""].hours == 30 * 24


def test_models_that_never_predict_the_same_hour_are_not_compared():
    panel = market(8, is_placed_by_open_interest=True)
    halves = {name: one.copy() for name, one in panel.exposures.items()}
    halves["open_interest"][::2] = np.nan
    halves["path_only"][1::2] = np.nan
    rows = scored(replace(panel, exposures=halves))
    assert {row.status for row in rows.values()} == {ScoreStatus.TOO_FEW_SPANS}


def test_a_fit_that_does_not_converge_gives_a_reason_and_no_figure(monkeypatch):
    def unfinished(*arguments, **options):
        return replace(fit_poisson(*arguments, **options), status=FitStatus.NOT_CONVERGED)

    monkeypatch.setattr(predictions, "fit_poisson", unfinished)
    rows = scored(market(9, is_placed_by_open_interest=True), ("open_interest", "activity_glm"))
    assert rows["open_interest", ""].status is ScoreStatus.NOT_CONVERGED
    assert np.isnan(rows["open_interest", ""].ratio)
    assert rows["activity_glm", ""].status is ScoreStatus.SCORED
    assert rows["activity_glm", "path_only"].status is ScoreStatus.NO_NULL


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"realised_usd": np.full((1440, 2), np.nan)}, ScoreStatus.NO_FEED),
        ({"realised_usd": np.zeros((1440, 2))}, ScoreStatus.ALL_ZERO),
        ({"is_complete": np.zeros(1440, dtype=bool)}, ScoreStatus.THROTTLED),
        ({"is_left_out": np.arange(1440) % 8 != 0}, ScoreStatus.TOO_FEW_SPANS),
    ],
)
def test_a_feed_that_cannot_be_scored_gives_rows_that_say_why(change, status):
    panel = replace(market(9, is_placed_by_open_interest=True), **change)
    rows = scored(panel)
    assert {row.status for row in rows.values()} == {status}
    assert np.isnan([row.d2 for row in rows.values()]).all()
    assert len(rows) == 3


def test_lower_bounds_are_scored_on_request_and_say_so():
    panel = market(9, is_placed_by_open_interest=True)
    panel = replace(panel, is_complete=np.zeros(len(panel), dtype=bool))
    rows = scored(panel, accepts_lower_bound=True)
    assert all(row.is_lower_bound and row.status is ScoreStatus.SCORED for row in rows.values())


def test_a_model_without_exposures_and_a_null_that_is_missing_say_so():
    rows = scored(market(9, is_placed_by_open_interest=True), ("unknown",), ("path_only", "gone"))
    assert rows["unknown", ""].status is ScoreStatus.NO_PREDICTION
    assert rows["path_only", "gone"].status is ScoreStatus.NO_NULL
    assert rows["path_only", ""].status is ScoreStatus.SCORED


def test_a_model_that_consumes_nothing_predicts_nothing():
    panel = market(9, is_placed_by_open_interest=True)
    nothing = {**panel.exposures, "open_interest": np.zeros((1440, 2, 1))}
    protocol = Protocol(Terms(has_move=False, has_constant=False), ScoringRules(n_draws=10))
    rows = evaluate(
        replace(panel, exposures=nothing), FIT, FIT, END, ["open_interest"], [], protocol
    )
    assert [row.status for row in rows] == [ScoreStatus.NO_PREDICTION]


def test_fits_of_less_than_ninety_days_are_flagged():
    panel = market(10, 125, is_placed_by_open_interest=False)
    protocol = Protocol(rules=ScoringRules(n_draws=10))
    for days, is_short in ((89, True), (90, False)):
        row, *_ = evaluate(panel, days * DAY, 90 * DAY, 125 * DAY, ["path_only"], [], protocol)
        assert (row.fit_hours, row.is_short_fit) == (days * 24.0, is_short)


def test_a_model_may_be_fitted_after_what_it_is_tested_on():
    panel = market(11, is_placed_by_open_interest=True)
    protocol = Protocol(rules=ScoringRules(n_draws=10), fit_from=FIT)
    row, *_ = evaluate(panel, END, 0, FIT, ["open_interest"], [], protocol)
    assert (row.hours, row.fit_hours) == (720.0, 720.0)
    assert row.d2 > 0.3


def test_spans_that_are_fitted_are_never_scored():
    panel = market(11, 20, is_placed_by_open_interest=True)
    with pytest.raises(InvalidParameters, match="overlap"):
        evaluate(panel, 11 * DAY, 10 * DAY, 20 * DAY, ["path_only"], [])


def test_a_rolling_origin_keeps_every_window_and_scores_all_together():
    panel = market(12, 135, is_placed_by_open_interest=True)
    protocol = Protocol(rules=ScoringRules(n_draws=50))
    rows = evaluate_rolling(panel, ["open_interest"], ["path_only"], protocol)
    own = [row for row in rows if (row.model, row.null) == ("open_interest", "path_only")]
    assert [(row.fit_until // DAY, row.test_until // DAY) for row in own] == [
        (90, 120),
        (120, 135),
        (90, 135),
    ]
    assert own[-1].hours == own[0].hours + own[1].hours == 45 * 24.0
    assert_allclose(own[-1].predicted_usd, own[0].predicted_usd + own[1].predicted_usd)
    assert min(own[0].d2, own[1].d2) <= own[-1].d2 <= max(own[0].d2, own[1].d2)


def test_a_span_too_short_to_roll_says_so():
    rows = evaluate_rolling(market(12, 80, is_placed_by_open_interest=True), ["path_only"], [])
    assert [row.status for row in rows] == [ScoreStatus.TOO_FEW_SPANS]


def test_in_a_pool_the_size_of_an_asset_does_not_matter():
    pool = [market(seed, is_placed_by_open_interest=True) for seed in (13, 14)]
    large = replace(
        pool[1],
        realised_usd=1e4 * pool[1].realised_usd,
        volume_usd=1e4 * pool[1].volume_usd,
        exposures={name: 1e4 * one for name, one in pool[1].exposures.items()},
    )
    models = ("open_interest", "distance_profile", "activity_glm")
    own = scored([pool[0], large], models)
    assert_allclose(figures(own), figures(scored(pool, models)), rtol=2e-3)
    assert own["open_interest", ""].assets == ("BTC", "BTC")
    assert own["open_interest", "path_only"].d2_low > 0.1


def test_an_asset_without_a_feed_is_left_out_of_the_pool():
    good = market(13, is_placed_by_open_interest=True)
    dead = replace(good, realised_usd=np.zeros((len(good), 2)), asset="DEAD")
    rows = scored([good, dead])
    assert {row.assets for row in rows.values()} == {("BTC",)}
    assert_allclose(figures(rows), figures(scored(good)))


def test_features_are_fitted_by_a_log_link_and_gaps_in_them_are_filled():
    panel = market(15, is_placed_by_open_interest=True)
    logs = np.log(panel.exposures["open_interest"])
    logs[::50] = np.nan
    features = np.concatenate((logs, np.ones((len(panel), 2, 1))), axis=-1)
    panel = replace(panel, features={"forecast": features})
    rows = scored(panel, ("forecast",))
    assert rows["forecast", "path_only"].d2_low > 0.05
    assert rows["forecast", ""].hours == 30 * 24


def test_without_terms_a_map_is_scaled_by_one_factor():
    realised = np.tile([[2.0, 4.0], [6.0, 8.0]], (720, 1))
    panel = panel_of(realised, exposures={"map": 10.0 * realised[..., None]})
    protocol = Protocol(Terms(False, False, None), ScoringRules(n_draws=10))
    row, *_ = evaluate(panel, FIT, FIT, END, ["map"], [], protocol)
    assert_allclose([row.d2, row.ratio, row.calibration_slope], 1.0)
