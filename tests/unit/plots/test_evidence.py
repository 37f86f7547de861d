"""The sentences that accompany a map: grade, skill, what is on no level, crowding."""

import duckdb
import pytest
from workbench import END

from jobs.read.query import published_file
from jobs.settings import Settings
from plots.evidence import evidence_sentences, read_evidence
from warehouse.read import open_published

COLUMNS = (
    "grade",
    "window_days",
    "explained_ratio",
    "is_lower_bound",
    "is_short_fit",
    "over_path_ratio",
    "over_path_low_ratio",
    "over_path_high_ratio",
    "published_ratio",
    "off_map_ratio",
    "crowded_excess_ratio",
    "crowded_excess_low_ratio",
    "crowded_excess_high_ratio",
    "measured_long_ratio",
    "measured_short_ratio",
    "measured_account_count",
    "measured_position_count",
    "measured_within_hour_ratio",
    "measured_without_price_ratio",
    "measured_oldest_seconds",
    "is_measured_fresh",
    "collecting_seconds",
)


def evidence_of(file, provider, asset="BTC"):
    with open_published(file) as reader:
        return read_evidence(reader, asset=asset, provider=provider, as_of=END)


def sentences(**known):
    return evidence_sentences({**dict.fromkeys(COLUMNS), **known})


SCORED = {
    "grade": "A",
    "window_days": 30,
    "explained_ratio": 0.82,
    "over_path_ratio": 0.04,
    "over_path_low_ratio": -0.02,
    "over_path_high_ratio": 0.09,
}


def test_skill_is_said_against_the_path_of_price_with_its_interval():
    assert sentences(**SCORED)[0] == (
        "grade: A; skill: given the path of price it explains 82 % of published liquidations over "
        "30 days, not shown to be better than the path alone (+4 % [-2, +9])"
    )


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "grade: none; skill: not measured"),
        ({**SCORED, "over_path_low_ratio": None}, "+4 % beyond the path alone, too few weeks"),
        ({**SCORED, "over_path_low_ratio": 0.01}, "better than the path alone (+4 % [+1, +9])"),
        ({**SCORED, "over_path_high_ratio": -0.01}, "worse than the path alone"),
        ({**SCORED, "is_short_fit": True}, "fitted on less than 90 days"),
    ],
)
def test_what_is_missing_is_said(known, said):
    assert said in sentences(**known)[0]


@pytest.mark.parametrize(("ratio", "share"), [(0.036, "3.6 %"), (0.42, "42 %"), (1.5, "150 %")])
def test_what_venues_published_of_a_map_is_said(ratio, share):
    assert f"venues published {share} of the USD" in sentences(published_ratio=ratio)[1]


def test_a_ledger_is_scaled_by_what_is_published_so_that_goes_without_saying(small_home):
    file = published_file(Settings(home=small_home))
    published = {
        provider: evidence_of(file, provider)["published_ratio"]
        for provider in ("turnover", "path_ledger")
    }
    assert published["path_ledger"] is None
    assert published["turnover"] > 0.0


def test_what_is_on_no_level_is_said_where_there_is_something():
    assert "31 % of what it expects in an hour is on no level" in sentences(off_map_ratio=0.31)[1]
    assert len(sentences()) == 2


COLLECTED = {
    "measured_long_ratio": 0.71,
    "measured_short_ratio": 0.66,
    "measured_account_count": 1900,
    "measured_position_count": 2340,
    "measured_within_hour_ratio": 0.84,
    "measured_without_price_ratio": 0.12,
    "measured_oldest_seconds": 72_000.0,
    "is_measured_fresh": True,
}


def test_what_a_measured_map_rests_on_is_said():
    assert sentences(**COLLECTED)[1] == (
        "measured: 71 % of long and 66 % of short open interest, 2,340 positions of 1,900 "
        "accounts; 84 % seen within the hour, the oldest 20 h before; 12 % has no liquidation "
        "price and is on no level"
    )
    assert len(sentences(**COLLECTED)) == len(sentences()) + 1


def test_a_map_of_stale_states_is_called_stale():
    said = sentences(**COLLECTED | {"is_measured_fresh": False, "measured_within_hour_ratio": 0.4})
    assert said[2].startswith("stale: most of it was last seen more than an hour before")


def test_a_map_of_the_first_day_is_called_filling():
    said = sentences(**COLLECTED | {"collecting_seconds": 5 * 3600.0})
    assert said[2] == "still filling: accounts had been collected for 5 h"


def test_a_share_that_is_not_known_is_left_out():
    unknown = {"measured_long_ratio": None, "measured_short_ratio": None}
    assert sentences(**COLLECTED | unknown)[1].startswith("measured: open interest is not known, ")
    assert sentences(measured_long_ratio=0.15)[1] == "measured: 15 % of long open interest"


def test_crowding_is_always_said_and_measured_where_it_can_be():
    assert sentences()[-1] == "a level that most providers show is also the one most watched"
    point = sentences(crowded_excess_ratio=0.006)[-1]
    assert point.endswith("0.6 points more often than lone ones, too few weeks for an interval")
    bounds = {"crowded_excess_low_ratio": -0.01, "crowded_excess_high_ratio": 0.02}
    assert sentences(crowded_excess_ratio=0.006, **bounds)[-1].endswith("(difference [-1.0, +2.0])")


def test_evidence_of_a_map_is_one_row(small_home):
    file = published_file(Settings(home=small_home))
    evidence = evidence_of(file, "path_ledger")
    assert set(COLUMNS) <= set(evidence)
    with duckdb.connect(str(file), read_only=True) as reader:
        (grade,) = reader.execute(
            "select grade from marts.asset_quality_hourly "
            "where asset = 'BTC' and venue = 'all' and as_of = ?",
            [END],
        ).fetchone() or (None,)
    assert evidence["grade"] == grade
    unknown = evidence_of(file, "path_ledger", "NONE")
    assert evidence_sentences(unknown)[0].startswith("grade: none; skill: not measured")


def test_a_file_of_a_release_without_these_tables_has_none(changed_file):
    old = changed_file("drop table marts.estimator_skill_daily")
    assert evidence_of(old, "turnover") is None
