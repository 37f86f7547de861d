"""The panel of health: age, gaps, runs and what is held back."""

from datetime import timedelta

from workbench import END

from web.panels.health_panel import read_health

GAPS = """
insert into marts.data_gaps by name
select
    'okx' as venue, 'BTC-USDT' as instrument, 'open_interest' as kind, 'BTC' as asset,
    $at - interval 5 hours as gap_from, $at as gap_to, 60 as missing_count, is_lost,
    if(is_lost, 'the venue keeps two days', null) as lost_reason, 3 as answer_count,
    if(is_lost, null, $at + interval 1 day) as available_until_at, $at as checked_at
from (values (true), (false)) as gaps (is_lost)
"""

FAILED = """
insert into quality.check_results by name
select
    'maps' as suite, 'no_negative_mass' as check_name, 'BTC' as asset, $at as as_of,
    'critical' as severity, false as success, 'mass is not negative' as description,
    3 as unexpected_count
"""


def test_the_age_of_data_is_said(given, published):
    panel = given(published, read_health, now=END + timedelta(days=3))
    assert panel.newest_map == f"{END:%Y-%m-%d %H:%M} UTC, 3 days ago"
    assert any("the newest map is for" in problem for problem in panel.problems)


def test_gaps_say_what_can_still_be_done(given, changed_file):
    file = changed_file("delete from marts.data_gaps", GAPS, parameters={"at": END})
    fetchable, lost = given(file, read_health).gaps
    assert fetchable.what.startswith("can be fetched until")
    assert "liqheat backfill" in fetchable.what
    assert lost.what == "lost: the venue keeps two days"
    assert (lost.kind, lost.missing) == ("open interest", "60")


def test_what_a_failed_check_holds_back_is_said(given, fragment, changed_file, published):
    file = changed_file(FAILED, parameters={"at": END - timedelta(hours=2)})
    (said,) = given(file, read_health).held_back
    assert said.startswith("BTC is held back for 2 hours of data: no_negative_mass")
    assert "No failed check holds anything back" in fragment(published, "health").text


def test_runs_are_shown_with_how_they_ended(given, published):
    runs = {run.job: run for run in given(published, read_health).runs}
    assert {"load", "build", "publish"} <= runs.keys()
    assert not any(run.is_bad for run in runs.values())


def test_a_home_that_follows_no_venue_says_so(given, published):
    panel = given(published, read_health)
    assert panel.venues == ()
    assert "no venue is followed here" in panel.venues_missing
