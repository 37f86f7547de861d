"""The panel of grades: reasons with what was measured, and history."""

from datetime import timedelta

from workbench import END

from web.panels.quality_panel import read_quality

GRADES = """
update marts.asset_quality_hourly
set
    grade = if(as_of < $changed, 'A', 'B'),
    reasons = if(
        as_of < $changed, [], [('low_volume', 9000000.0, 10000000.0, 'soft')]
    )
where asset = 'BTC' and venue = 'all'
"""


GATE = """
insert into quality.threshold by name
select
    'low_volume' as gate, 'traded_daily_7d_usd' as measure, 'USD a day' as unit,
    'at_least' as direction, 'asset' as role, 10000000.0 as soft_level, false as is_required,
    'below it price is what the last small order made it' as reason
"""


def test_reasons_say_what_was_measured_and_what_is_wanted(given, changed_file):
    changed = {"changed": END - timedelta(hours=5)}
    graded = changed_file("delete from quality.threshold", GATE, GRADES, parameters=changed)
    panel = given(graded, read_quality)
    assert panel.whole.grade == "B"
    (doubt,) = panel.whole.doubts
    assert doubt == (
        "low volume 9,000,000, wanted at least 10,000,000 [USD a day]: below it price is what the "
        "last small order made it"
    )
    assert panel.whole.disqualifies == ()


def test_a_change_of_grade_is_dated_with_its_reason(given, fragment, changed_file):
    changed = END - timedelta(hours=5)
    graded = changed_file(GRADES, parameters={"changed": changed})
    panel = given(graded, read_quality)
    assert panel.changes == (f"{changed:%Y-%m-%d %H:%M} UTC: A to B (low volume)",)
    assert "state-a" in panel.history
    assert "state-b" in panel.history
    assert "B in 6 hours" in panel.history
    assert "A to B" in fragment(graded, "quality").text


def test_a_grade_that_held_is_said_once(given, changed_file):
    held = changed_file("update marts.asset_quality_hourly set grade = 'A' where venue = 'all'")
    (said,) = given(held, read_quality).changes
    assert said.startswith("grade A in every hour since")


def test_every_asset_is_listed_and_linked(fragment, published, ask):
    found = fragment(published, "quality", provider="turnover")
    links = [attributes["href"] for attributes in found.all("a")]
    assets = ask(published, "select distinct asset from marts.asset_quality_hourly")
    assert {f"?asset={row['asset']}&panel=quality" for row in assets} == set(links)


def test_venues_come_with_their_part_of_open_interest(given, published, ask):
    panel = given(published, read_quality)
    venues = ask(
        published,
        "select venue from marts.asset_quality_hourly where asset = 'BTC' and venue <> 'all' "
        "and as_of = $at order by open_interest_usd desc nulls last",
        {"at": END},
    )
    assert [one.venue for one in panel.venues] == [row["venue"] for row in venues]
    assert all("USD of open interest" in one.open_interest for one in panel.venues)


def test_without_a_grade_there_are_words(fragment, changed_file):
    none = changed_file("delete from marts.asset_quality_hourly")
    assert "no asset has been graded yet" in fragment(none, "quality").text
