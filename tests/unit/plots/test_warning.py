"""The warning over what is drawn of an asset graded C."""

from datetime import timedelta

import pytest
from workbench import END

from plots.source import PublishedMaps
from plots.ticks import length_ticks
from plots.views import plot_asset, plot_comparison
from plots.warning import read_warning
from warehouse.read import open_published


def warning_of(file, asset, venue="all", as_of=END):
    """Return the words of a warning, None without one."""
    with open_published(file) as reader:
        warning = read_warning(reader, asset=asset, venue=venue, as_of=as_of)
    return warning and f"{warning.title} {warning.reason}"


SIGN = "Grade C: too noisy to act on"


GRADES = """
insert into marts.asset_quality_hourly by name
select
    asset, 'all' as venue, $at as as_of, grade,
    if(
        grade = 'C',
        [('low_open_interest', 1.0, 2.0, 'hard'), ('warm_up', 1.0, 0.0, 'information')],
        []
    ) as reasons,
from (values ('BTC', 'A'), ('THIN', 'C')) as graded (asset, grade)
"""


@pytest.fixture(scope="module")
def published(changed_file):
    """Return the published file of the small market with one sound and one noisy asset."""
    return changed_file("delete from marts.asset_quality_hourly", GRADES, parameters={"at": END})


def test_an_asset_graded_c_is_drawn_under_a_warning_with_its_reasons(published, tmp_path):
    page = plot_asset(
        PublishedMaps(published, "THIN"),
        tmp_path / "thin.html",
        provider="turnover",
        days=1,
        reach_ratio=0.2,
    ).read_text()
    assert SIGN in page
    assert "low open interest" in page
    assert "<code>liqheat quality THIN</code> says more" in page


def test_providers_side_by_side_are_drawn_under_it_too(published, tmp_path):
    page = plot_comparison(PublishedMaps(published, "THIN"), tmp_path / "thin.html").read_text()
    assert SIGN in page


def test_a_sound_asset_is_drawn_without_one(published, tmp_path):
    page = plot_comparison(PublishedMaps(published, "BTC"), tmp_path / "btc.html").read_text()
    assert SIGN not in page
    assert warning_of(published, "BTC") is None


def test_what_was_never_graded_is_warned_of(published):
    later = END + timedelta(days=9)
    assert "Not graded" in warning_of(published, "BTC", as_of=later)


def test_a_venue_without_data_is_as_good_as_the_asset(published):
    assert warning_of(published, "BTC", "elsewhere") is None
    assert SIGN in warning_of(published, "THIN", "elsewhere")


def test_remarks_that_count_for_nothing_are_no_reason(published):
    assert "warm up" not in warning_of(published, "THIN")


@pytest.mark.parametrize("longest", [0.013, 0.4, 7.0, 16.4, 99.0, 2500.0])
def test_lengths_on_an_axis_are_few_and_end_before_it_does(longest):
    ticks = length_ticks(longest)
    assert ticks[0] == 0.0
    assert 2 <= len(ticks) <= 4
    assert ticks[-1] < 0.85 * longest


def test_an_axis_without_length_has_its_zero():
    assert length_ticks(0.0) == [0.0]
