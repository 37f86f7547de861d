"""The ledgers and the null in a build: the same rows however it is cut."""

import shutil

import pytest
from workbench import DAY, END, HOUR, START, differences, instants, where, workshop
from workbench.ledger_fits import DAYS, plain_market
from workbench.rebuilds import BAR_HOURS, LINEAR, assert_equals_rebuild, hour, only, until, without

from jobs.build import limits
from jobs.build.build_assets import BuildReport
from jobs.build.path_records import PATH_MODELS
from transforms.estimators import ESTIMATORS

pytestmark = pytest.mark.usefixtures("two_fits")

TURNOVER = (ESTIMATORS["turnover"],)


@pytest.fixture(scope="module")
def built_at_once(bitcoin, two_fits, tmp_path_factory):
    """The home of all records of the asset, built once; read only."""
    home = tmp_path_factory.mktemp("built") / "home"
    with workshop(home) as shop:
        shop.take_in(bitcoin)
        shop.build(END, TURNOVER, PATH_MODELS)
    return home


def test_hour_by_hour(tmp_path, bitcoin, built_at_once):
    steps = [1, 2, 3, 23, 24, 25, 26, 40, 41, 47, 48, 49, 95, 96]
    arrivals = [
        (hour(now), until(bitcoin, now, before))
        for before, now in zip([float("-inf"), *steps], steps, strict=False)
    ]
    assert_equals_rebuild(tmp_path, arrivals, TURNOVER, PATH_MODELS, rebuilt=built_at_once)


def test_a_second_build_finds_nothing_to_do(tmp_path, built_at_once):
    with workshop(shutil.copytree(built_at_once, tmp_path / "home")) as shop:
        assert shop.build(END, TURNOVER, PATH_MODELS) == BuildReport(0, 0, 0, 0)


def test_in_windows(tmp_path, bitcoin, built_at_once, monkeypatch):
    monkeypatch.setattr(limits, "WINDOW_DAYS", 1)
    with workshop(tmp_path / "cut") as cut:
        cut.take_in(bitcoin)
        cut.build(END, TURNOVER, PATH_MODELS)
    assert not differences(
        built_at_once / "warehouse.duckdb", tmp_path / "cut" / "warehouse.duckdb"
    )


@pytest.mark.parametrize("late_at", [30.0, 48.0, 95.5])
def test_a_late_bar(tmp_path, bitcoin, built_at_once, late_at):
    late = only(bitcoin, "ohlcv", LINEAR, late_at, late_at + BAR_HOURS)
    early = without(bitcoin, "ohlcv", LINEAR, late_at, late_at + BAR_HOURS)
    arrivals = [(END, early), (END, late)]
    assert_equals_rebuild(tmp_path, arrivals, TURNOVER, PATH_MODELS, rebuilt=built_at_once)


def test_late_liquidations_of_the_last_week(tmp_path, bitcoin, built_at_once):
    late = only(bitcoin, "realised_liquidation", LINEAR, 30.0, 50.0)
    early = without(bitcoin, "realised_liquidation", LINEAR, 30.0, 50.0)
    arrivals = [(END, early), (END, late)]
    assert_equals_rebuild(tmp_path, arrivals, TURNOVER, PATH_MODELS, rebuilt=built_at_once)


def test_liquidations_published_late_change_the_captures_of_a_week_and_nothing_else(tmp_path):
    records = plain_market()
    table = records["realised_liquidation"]
    is_late = (instants(table, "realised_liquidation") >= 30) & (
        instants(table, "realised_liquidation") < 33
    )
    end = START + DAYS * DAY
    arrivals = [
        (end, {**records, "realised_liquidation": where(table, ~is_late)}),
        (end, {"realised_liquidation": where(table, is_late)}),
    ]
    with workshop(tmp_path / "marks") as shop:
        for as_of, arrived in arrivals:
            before = shop.rows("select as_of, capture_ratio from derived.path_exposure")
            shop.take_in(arrived)
            shop.build(as_of, TURNOVER, PATH_MODELS)
        after = shop.rows("select as_of, capture_ratio from derived.path_exposure")
        changed = {hour for hour, _ in set(after) ^ set(before)}
        assert (min(changed), max(changed)) == (START + 32 * HOUR, START + (33 + 168) * HOUR)
        assert shop.one("select count(*) from meta.pending_capture") == 0
        assert shop.build(end, TURNOVER, PATH_MODELS) == BuildReport(0, 0, 0, 0)
    assert_equals_rebuild(tmp_path, arrivals, (), PATH_MODELS)
