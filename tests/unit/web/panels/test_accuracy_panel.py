"""The panel of accuracy: figures equal those published, and each missing one has its reason."""

from datetime import timedelta

import pytest
from workbench import END

from web.panels.accuracy_panel import read_accuracy_panel

WEEKS = """
select
    date_trunc('week', as_of - interval 1 hour) as week,
    sum(expected_usd) / sum(realised_usd) as ratio
from marts.liquidation_forecast_hourly
where
    asset = 'BTC' and provider = 'turnover' and tier = 'all' and not is_left_out
    and expected_usd is not null and realised_usd is not null
group by week order by week
"""

SKILL = """
insert into marts.estimator_skill_daily by name
select
    'BTC' as asset, $at as as_of, provider, null_model, 30 as window_days, 'scored' as status,
    removed as deviance_removed_ratio, removed - 0.05 as deviance_removed_low_ratio,
    removed + 0.05 as deviance_removed_high_ratio, ['okx by s'] as realised_feeds,
    true as is_lower_bound, false as is_short_fit
from (values
    ('turnover', 'training_mean', 0.5), ('turnover', 'path_only', -9.0),
    ('path_ledger', 'training_mean', 0.8), ('path_ledger', 'path_only', 0.2)
) as scored (provider, null_model, removed)
"""

TOUCHES = """
insert into marts.touch_reliability_daily by name
select
    'BTC' as asset, $at as as_of, 'turnover' as provider, odds_group, level_count, odds_ratio,
    touched_ratio, if(odds_group = 'all', -0.7, null) as excess_points,
    if(odds_group = 'all', -1.6, null) as excess_low_points,
    if(odds_group = 'all', 0.3, null) as excess_high_points, 'x' as run_id
from (values
    ('all', 1200, 0.21, 0.19), ('0.0-0.1', 900, 0.04, 0.03), ('0.1-0.2', 300, 0.15, 0.16)
) as touched (odds_group, level_count, odds_ratio, touched_ratio)
"""

OUTLOOKS = """
insert into marts.liquidation_outlook_daily by name
select
    'BTC' as asset, $at - days * interval 1 day as as_of, side, 'path_ledger' as provider,
    3e7 as expected_usd, 1e7 as expected_q10_usd, 8e7 as expected_q90_usd,
    if(days = 0, null, 2e7) as realised_usd, if(days = 0, 0, 24) as realised_hour_count,
    if(days = 0, 'unknown', 'lower_bound') as completeness,
    if(days = 0, null, true) as is_in_interval,
    if(days = 0, 'the day has not ended', null) as realised_reason, ['okx'] as realised_venues,
    'x' as params_hash
from range(2) as back (days), (values ('long'), ('short')) as sides (side)
"""


@pytest.fixture(scope="module")
def scored(changed_file):
    return changed_file("delete from marts.estimator_skill_daily", SKILL, parameters={"at": END})


def test_expected_over_published_is_that_of_the_hours(given, published, ask):
    panel = given(published, read_accuracy_panel, provider="turnover")
    rows = [row for row in ask(published, WEEKS) if row["ratio"] is not None]
    assert panel.period == "week"
    shown = {line.period: line.ratio for line in panel.periods}
    for row in rows:
        assert shown[f"{row['week']:%Y-%m-%d}"] == f"{row['ratio']:.2f}"
    assert rows


def test_a_long_span_is_shown_by_month(given, changed_file):
    long = changed_file(
        "insert into marts.liquidation_forecast_hourly select * exclude (back) replace "
        "(as_of - back * interval 7 days as as_of) from marts.liquidation_forecast_hourly, "
        "range(1, 20) as weeks (back) where provider = 'turnover' and tier = 'all'"
    )
    panel = given(long, read_accuracy_panel, provider="turnover")
    assert panel.period == "month"
    assert all(len(line.period) == 7 for line in panel.periods)


def test_skill_is_shown_against_each_null_with_its_interval(given, scored):
    panel = given(scored, read_accuracy_panel, provider="turnover")
    assert [line.model for line in panel.models] == ["path_ledger", "turnover"]
    cells = dict(zip(panel.headers, panel.models[1].cells, strict=True))
    assert cells["over the mean"] == "50 % [45, 55]"
    assert cells["over extension"] == ""
    assert panel.models[1].is_shown
    assert any(
        said.startswith("path_ledger: better than the path of price") for said in panel.verdict
    )


def test_skill_far_below_the_path_is_an_arrow_at_the_edge(given, scored):
    chart = given(scored, read_accuracy_panel, provider="turnover").against_path
    assert "turnover -900 % [-905, -895]" in chart
    assert "z" in chart.split('class="dot worse"')[0].rsplit("<path", 1)[-1]


def test_odds_are_held_against_how_often_price_came(given, changed_file):
    held = changed_file(
        "delete from marts.touch_reliability_daily", TOUCHES, parameters={"at": END}
    )
    panel = given(held, read_accuracy_panel, provider="turnover")
    assert "odds 21 % on average, touched 19 %" in panel.reliability_note
    assert "touched -0.7 [-1.6, +0.3] points more often" in panel.reliability_note
    assert panel.reliability.count('class="dot first"') == 2


def test_outlooks_stand_beside_what_was_published(given, fragment, changed_file):
    at = END.replace(hour=0)
    file = changed_file(
        "delete from marts.liquidation_outlook_daily", OUTLOOKS, parameters={"at": at}
    )
    panel = given(file, read_accuracy_panel)
    assert [(line.day, line.side, line.held) for line in panel.outlook] == [
        (f"{at:%Y-%m-%d}", "longs", ""),
        (f"{at:%Y-%m-%d}", "shorts", ""),
        (f"{at - timedelta(days=1):%Y-%m-%d}", "longs", "inside"),
        (f"{at - timedelta(days=1):%Y-%m-%d}", "shorts", "inside"),
    ]
    assert panel.outlook[0].published == "the day has not ended"
    assert panel.outlook[2].published == "at least 20.0 M"
    assert "the day has not ended" in fragment(file, "accuracy").text


def test_each_missing_figure_says_what_to_run(fragment, changed_file):
    bare = changed_file(
        "delete from marts.estimator_skill_daily",
        "delete from marts.touch_reliability_daily",
        "delete from marts.liquidation_outlook_daily",
        "delete from marts.liquidation_forecast_hourly",
    )
    words = fragment(bare, "accuracy", provider="turnover").text
    assert "no skill of BTC is published; run liqheat calibrate" in words
    assert "nothing to hold turnover against" in words
    assert "odds of touch of turnover have not been held against prices here" in words
    assert "no outlook of the next 24 hours is published" in words


def test_a_file_of_an_earlier_release_has_words_too(fragment, changed_file):
    old = changed_file(
        "drop table marts.estimator_skill_daily",
        "drop table marts.touch_reliability_daily",
        "drop table marts.liquidation_outlook_daily",
    )
    assert "no skill of BTC is published" in fragment(old, "accuracy", provider="turnover").text


def test_nothing_published_in_a_week_is_no_ratio(given, changed_file):
    quiet = changed_file(
        "update marts.liquidation_forecast_hourly set realised_usd = 0.0 "
        "where realised_usd is not null"
    )
    panel = given(quiet, read_accuracy_panel, provider="turnover")
    assert {line.ratio for line in panel.periods} == {"none published"}
    assert panel.ratio == ""
