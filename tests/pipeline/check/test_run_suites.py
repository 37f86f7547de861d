"""Critical findings stop publishing, warnings become flags, bad data gets a grade, never an A."""

import shutil
from datetime import timedelta

import duckdb
import pytest
from workbench import END, HOUR, START, instrument_row, table_of, workshop

from jobs.check.gates_in_force import LEVELS_FILE
from jobs.check.run_suites import check
from jobs.errors import StoppedByQuality
from jobs.hourly import run_hour
from jobs.pipeline import build_maps
from jobs.publish.publish import publish
from jobs.read.status import read_status
from jobs.settings import Settings
from quality.errors import ThresholdsRejected
from quality.gates import declared_gates
from quality.suites import suites
from transforms.estimators import ESTIMATORS
from warehouse.read import open_published

# `checked` is checked before a test begins, and its pages are written. Great Expectations counts
# what fails there, in `of_one_venue` and where everything fails that can.
pytestmark = pytest.mark.usefixtures("without_pages")

ONE = (ESTIMATORS["turnover"],)


@pytest.fixture
def settings(home, counted_by_pandas):
    return Settings(home=home, threads=1)


@pytest.fixture(scope="module")
def checked(small_home, tmp_path_factory):
    """Return the settings of a sound home whose hours were all checked once, and the report."""
    folder = tmp_path_factory.mktemp("checked") / "home"
    settings = Settings(home=shutil.copytree(small_home, folder, symlinks=True), threads=1)
    return settings, check(settings, as_of=END)


def ask(settings, sql, parameters=None):
    with duckdb.connect(str(settings.warehouse)) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql, parameters).fetchall()


def reasons(settings, asset, venue="all", as_of=END):
    ((grade, names),) = ask(
        settings,
        "select grade, reason_names from marts.asset_quality_hourly "
        "where asset = ? and venue = ? and as_of = ?",
        [asset, venue, as_of],
    )
    return grade, names


def test_a_sound_market_passes_and_its_assets_are_graded(checked):
    _, report = checked
    assert report.critical == ()
    assert len(report.results) == len(suites(declared_gates()))
    grades = {verdict.asset: verdict for verdict in report.verdicts}
    assert grades["BTC"].grade == "A"
    assert grades["BTC"].graded_a_open_interest_ratio == 1.0
    assert (grades["THIN"].grade, grades["THIN"].is_low_cap, grades["THIN"].is_noisy) == (
        "C",
        True,
        True,
    )
    assert {"low_open_interest", "whale_concentration"} <= set(grades["THIN"].reasons)
    assert [verdict.asset for verdict in report.verdicts] == ["THIN", "BTC"]
    assert (report.pages / "index.html").exists()


def test_results_say_what_was_checked_against_what(checked):
    settings, report = checked
    stored = ask(
        settings,
        "select suite, check_name, severity, success, observed, threshold, row_count, "
        "unexpected_count, len(sample), description <> '' from quality.check_results "
        "where scope = 'all' and as_of = ?",
        [END],
    )
    assert len(stored) == len(report.results)
    by_name = {(row[0], row[1]): row[2:] for row in stored}
    severity, success, observed, threshold, rows, unexpected, samples, described = by_name[
        "bars", "single_bar_change"
    ]
    assert (severity, success, threshold, described) == ("warning", False, 0.1, True)
    assert observed > 0.1
    assert 0 < unexpected < rows
    assert samples > 0
    assert by_name["maps", "map_books"][1] is True


def test_gates_are_stored_with_their_reasons(checked):
    settings, _ = checked
    stored = ask(settings, "select gate, soft_level, hard_level, reason from quality.threshold")
    assert {row[0]: row[1:] for row in stored} == {
        name: (gate.soft, gate.hard, gate.reason) for name, gate in declared_gates().items()
    }


def test_an_hour_checked_twice_has_the_same_rows(settings):
    results = "select * exclude (run_id) from quality.check_results order by all"
    check(settings, as_of=END, hours=3)
    first = ask(settings, results)
    check(settings, as_of=END, hours=3)
    assert ask(settings, results) == first


def test_a_check_looks_at_all_that_was_built_and_later_ones_at_what_came_since(settings):
    ((first,),) = ask(settings, "select min(as_of) from derived.heatmap")
    built = (END - first) // HOUR + 1
    assert check(settings, as_of=END - 2 * HOUR).hour_count == built - 2
    assert check(settings, as_of=END).hour_count == 2
    assert check(settings, as_of=END).hour_count == 2
    assert check(settings, as_of=END, hours=1).hour_count == 1


@pytest.mark.usefixtures("counted_by_pandas")
def test_hours_built_again_are_looked_at_again(checked, tmp_path):
    home = shutil.copytree(checked[0].home, tmp_path / "home", symlinks=True)
    settings = Settings(home=home, threads=1)
    ask(
        settings,
        "insert into meta.pending_build values ('BTC', ?)",
        [END - 30 * HOUR],
    )
    build_maps(settings, as_of=END)
    assert check(settings, as_of=END).hour_count == 30


def test_of_a_long_build_the_newest_hours_are_looked_at(settings, monkeypatch):
    monkeypatch.setattr("jobs.check.run_suites.MOST_ASSET_HOURS", 60)
    assert check(settings, as_of=END).hour_count == 30


def published(settings, asset):
    """Return the newest published hour of an asset's map and of its grade."""
    with open_published(settings.published / "liqheat.duckdb") as connection:
        return connection.execute(
            "select (select max(as_of) from marts.liquidation_heatmap_hourly where asset = $asset),"
            " (select max(as_of) from marts.asset_quality_hourly where asset = $asset)",
            {"asset": asset},
        ).fetchone()


def newest_details(settings, asset):
    """Return the newest published hour of an asset's maps by leverage and odds by bin."""
    with open_published(settings.published / "liqheat.duckdb") as connection:
        return connection.execute(
            "select (select max(as_of) from marts.liquidation_heatmap_by_tier_hourly "
            "where asset = $asset), "
            "(select max(as_of) from marts.touch_odds_hourly where asset = $asset)",
            {"asset": asset},
        ).fetchone()


def newest_in_parquet(settings, asset):
    """Return the newest hour of an asset's map in the Parquet files."""
    days = (settings.published / "parquet/liquidation_heatmap_hourly").glob("*/*.parquet")
    with duckdb.connect() as connection:
        ((newest,),) = connection.execute(
            "select max(as_of) from read_parquet(?) where asset = ?", [list(map(str, days)), asset]
        ).fetchall()
    return newest


def test_an_hour_that_failed_holds_back_its_asset_alone_until_it_passes(settings):
    bad = END - 3 * HOUR
    check(settings, as_of=bad - HOUR)
    spoil = "update derived.series_hour set books_error_ratio = ? where asset = 'BTC' and as_of = ?"
    ask(settings, spoil, [0.1, bad])
    for as_of, hours in ((bad, 1), (END - HOUR, 3), (END, 4)):
        report = check(settings, as_of=as_of)
        assert report.hour_count == hours
        assert [(held.asset, held.since, held.check_name) for held in report.held] == [
            ("BTC", bad, "map_books")
        ]
        publish(settings, as_of=as_of)
    # Its hours before stay, its grade goes on and says why.
    assert published(settings, "BTC") == (bad - HOUR, END)
    assert published(settings, "THIN") == (END, END)
    assert newest_details(settings, "BTC") == (bad - HOUR, bad - HOUR)
    assert newest_details(settings, "THIN") == (END, END)
    assert "map_books" in reasons(settings, "BTC", "sim_alpha", bad)[1]
    assert newest_in_parquet(settings, "BTC") == bad - HOUR
    noted = ask(
        settings,
        "select detail::json->>'$.held_back[0]' from meta.pipeline_run where job = ? "
        "order by started_at desc limit 1",
        ["publish"],
    )
    assert noted == [(f"BTC since {bad:%Y-%m-%d %H:%M} (map_books)",)]
    assert any("BTC since" in problem for problem in read_status(settings, now=END).problems)

    ask(settings, spoil, [0.0, bad])
    assert check(settings, as_of=END).held == ()
    publish(settings, as_of=END)
    assert published(settings, "BTC") == (END, END)
    assert newest_details(settings, "BTC") == (END, END)


def test_days_before_the_window_of_the_file_are_held_back_too(settings):
    settings = Settings(home=settings.home, threads=1, publish_window_days=1)
    bad = END - 30 * HOUR
    ask(
        settings,
        "update derived.series_hour set books_error_ratio = 0.1 where asset = 'BTC' and as_of = ?",
        [bad],
    )
    check(settings, as_of=END)
    publish(settings, as_of=END)
    assert newest_in_parquet(settings, "BTC") == bad - HOUR
    assert newest_in_parquet(settings, "THIN") == END


def test_nothing_is_published_where_every_asset_is_held_back(settings):
    ask(settings, "update derived.series_hour set books_error_ratio = 0.1 where as_of = ?", [END])
    before = (settings.published / "liqheat.duckdb").read_bytes()
    with pytest.raises(StoppedByQuality, match="map_books"):
        check(settings, as_of=END)
    with pytest.raises(StoppedByQuality, match=r"map_books failed at .* has not passed since"):
        publish(settings, as_of=END)
    assert (settings.published / "liqheat.duckdb").read_bytes() == before


SPOILED = {
    "map_not_negative": "update derived.heatmap set liquidation_usd = [-1.0] where {one}",
    "map_finite": "update derived.heatmap set liquidation_usd = ['nan'::float] where {one}",
    "map_range": "update derived.heatmap set liquidation_usd = [1e15::float] where {one}",
    "map_sum": "update derived.heatmap set liquidation_usd = [1.0] where {one} and venue = 'all'",
    "map_sides_swapped": "update derived.heatmap set first_bin_index = first_bin_index + 2000 "
    "where {one} and side = 'long'",
    "map_books": "update derived.series_hour set books_error_ratio = 0.1 where {one}",
    "keys_unique": "insert into derived.heatmap select * from derived.heatmap where {one}",
    "price_positive": "update intermediate.int_instrument_hour set low = -1 where {hour}",
    "hours_unique": "insert into intermediate.int_instrument_hour "
    "select * from intermediate.int_instrument_hour where {hour}",
}


def test_what_cannot_be_holds_back_its_asset(home):
    settings = Settings(home=home, threads=1)
    # Each in an hour of its own, so that each is found by its own check.
    hours = {name: END - number * HOUR for number, name in enumerate(SPOILED)}
    for name, as_of in hours.items():
        hour = f"asset = 'BTC' and as_of = timestamptz '{as_of.isoformat()}'"
        ask(settings, SPOILED[name].format(one=f"{hour} and provider = 'turnover'", hour=hour))
    report = check(settings, as_of=END, hours=len(hours))
    assert hours.keys() <= {result.check.name for result in report.critical}
    assert {held.asset for held in report.held} == {"BTC"}
    found = ask(
        settings,
        "select check_name, as_of, unexpected_count > 0 from quality.check_results "
        "where asset = 'BTC' and not success",
    )
    assert {(name, as_of, True) for name, as_of in hours.items()} <= set(found)


def test_a_map_without_a_verdict_holds_back_its_asset(settings):
    ask(settings, "delete from intermediate.int_quality_measures where asset = 'BTC'")
    # No instrument is active, so none is measured again.
    ask(settings, "update raw.instrument set is_active = false")
    report = check(settings, as_of=END, hours=1)
    assert "verdict_for_every_map" in {result.check.name for result in report.critical}
    assert {held.asset for held in report.held} == {"BTC"}
    ((success, unexpected),) = ask(
        settings,
        "select success, unexpected_count from quality.check_results "
        "where check_name = 'verdict_for_every_map' and scope = 'all'",
    )
    assert not success
    assert unexpected > 0


def test_tables_that_are_not_as_declared_stop_everything(settings):
    before = (settings.published / "liqheat.duckdb").read_bytes()
    ask(settings, "alter table raw.ohlcv alter column trade_count type integer")
    with pytest.raises(StoppedByQuality, match="the last publication stays") as caught:
        run_hour(settings, as_of=END)
    report = caught.value.report
    assert "schema_as_declared" in {result.check.name for result in report.critical}
    assert (settings.published / "liqheat.duckdb").read_bytes() == before
    ((status, error),) = ask(
        settings, "select status, error from meta.pipeline_run where job = 'check'"
    )
    assert status == "failed"
    assert "StoppedByQuality" in error


def test_a_grade_that_fails_itself_is_held_back_too(settings):
    ask(
        settings,
        "insert into intermediate.int_quality_measures "
        "select * from intermediate.int_quality_measures where asset = 'BTC' and as_of = ?",
        [END],
    )
    check(settings, as_of=END, hours=1)
    publish(settings, as_of=END)
    assert published(settings, "BTC") == (END - HOUR, END - HOUR)
    assert published(settings, "THIN") == (END, END)


def test_a_jump_that_nothing_explains_becomes_a_flag(settings):
    # A map of one venue loses most of what it held, and so does the sum.
    ask(
        settings,
        "update derived.heatmap set liquidation_usd = "
        "list_transform(liquidation_usd, lambda usd: usd / 10) "
        "where asset = 'BTC' and provider = 'turnover' and as_of = ?",
        [END],
    )
    report = check(settings, as_of=END, hours=1)
    assert report.critical == ()
    assert "map_jump" in {result.check.name for result in report.warnings}
    grade, names = reasons(settings, "BTC", "sim_alpha")
    assert grade == "B"
    assert "map_jump" in names
    assert "map_jump" in reasons(settings, "BTC")[1]


@pytest.mark.parametrize(("price", "is_flagged"), [(0.994, True), (0.9951, False)])
def test_a_stablecoin_more_than_50_bps_off_a_dollar_becomes_a_flag(settings, price, is_flagged):
    ask(
        settings,
        "insert into raw.quote_rate values ('kraken', 'USDT/USD', ?, ?, 'kraken:OHLC', ?)",
        [END, price, END],
    )
    report = check(settings, as_of=END, hours=1)
    assert ("quote_off_par" in {result.check.name for result in report.warnings}) is is_flagged
    assert ("quote_off_par" in reasons(settings, "BTC")[1]) is is_flagged


def test_levels_of_the_homes_own_file_count(settings):
    (settings.home / LEVELS_FILE).write_text("low_open_interest: {soft: 1.0e+12}\n")
    ask(settings, "delete from meta.pending_publish")
    report = check(settings, as_of=END)
    (bitcoin,) = [verdict for verdict in report.verdicts if verdict.asset == "BTC"]
    assert (bitcoin.grade, bitcoin.is_low_cap) == ("B", True)
    ((days,),) = ask(settings, "select count(distinct published_day) from meta.pending_publish")
    assert days >= 4


def test_a_wrong_file_of_levels_is_refused_before_anything_is_checked(settings):
    (settings.home / LEVELS_FILE).write_text("low_interest: {soft: 1}\n")
    with pytest.raises(ThresholdsRejected, match="did you mean low_open_interest"):
        check(settings, as_of=END)
    assert ask(settings, "select count(*) from quality.check_results") == [(0,)]


def test_an_empty_warehouse_has_nothing_against_it(tmp_path):
    report = check(Settings(home=tmp_path / "home"), as_of=END)
    assert report.critical == ()
    assert report.verdicts == ()


def bar(asset, number, venue="gate", **more):
    row = {
        "venue": venue,
        "instrument": f"{asset}/USDT:USDT",
        "bar_start_at": START + number * HOUR,
        "bar_seconds": 3600,
        "open": 10.0,
        "high": 11.0,
        "low": 9.0,
        "close": 10.0,
        "volume_quantity": 1e7,
    }
    return {**row, **more}


def held(asset, number, amount=1e7, venue="gate"):
    return {
        "venue": venue,
        "instrument": f"{asset}/USDT:USDT",
        "observed_at": START + number * HOUR,
        "open_interest_quantity": amount,
    }


NAN = float("nan")
HOURS = range(48)
AS_OF = START + timedelta(hours=48)
# By asset: its bars, its open interest and the reason of its grade.
POOR = {
    "NOTHING": ([], [], "no_data"),
    "ONEROW": ([bar("ONEROW", 47)], [held("ONEROW", 48)], "bar_coverage"),
    "ALLNAN": (
        [
            bar("ALLNAN", n, open=NAN, high=NAN, low=NAN, close=NAN, volume_quantity=NAN)
            for n in HOURS
        ],
        [held("ALLNAN", n + 1, NAN) for n in HOURS],
        "impossible_rows",
    ),
    "NOVOLUME": (
        [bar("NOVOLUME", n, volume_quantity=0.0) for n in HOURS],
        [held("NOVOLUME", n + 1) for n in HOURS],
        "zero_volume",
    ),
    "NOBARS": ([], [held("NOBARS", n + 1) for n in HOURS], "bar_coverage"),
    "NOINTEREST": ([bar("NOINTEREST", n) for n in HOURS], [], "open_interest_coverage"),
    "NEGATIVE": (
        [bar("NEGATIVE", n, low=-1.0) for n in HOURS],
        [held("NEGATIVE", n + 1, 1e7 + n) for n in HOURS],
        "impossible_rows",
    ),
}


@pytest.fixture(scope="module")
def of_one_venue(tmp_path_factory):
    """Return a checked home of one venue: one good asset and one of each kind of poor data."""
    home = tmp_path_factory.mktemp("poor") / "home"
    good = [bar("GOOD", n, volume_quantity=1e7 + n) for n in HOURS]
    good_held = [held("GOOD", n, 1e7 + 1e4 * (n * 3 % 7)) for n in range(49)]
    with workshop(home) as shop:
        shop.take_in(
            {
                "instrument": table_of(
                    "instrument", [instrument_row(asset, "gate") for asset in ("GOOD", *POOR)]
                ),
                "ohlcv": table_of("ohlcv", sum((bars for bars, *_ in POOR.values()), good)),
                "open_interest": table_of(
                    "open_interest", sum((stocks for _, stocks, _ in POOR.values()), good_held)
                ),
            }
        )
    settings = Settings(home=home, threads=1)
    build_maps(settings, as_of=AS_OF, estimators=ONE)
    check(settings, as_of=AS_OF)
    return settings


@pytest.mark.parametrize("asset", POOR)
def test_poor_data_gets_a_grade_with_a_reason_and_never_an_a(of_one_venue, asset):
    for venue in ("gate", "all"):
        grade, names = reasons(of_one_venue, asset, venue, AS_OF)
        assert grade in {"B", "C"}
        assert set(names) - {"warm_up", "single_venue"}
    assert POOR[asset][2] in reasons(of_one_venue, asset, "gate", AS_OF)[1]


def test_a_single_venue_is_never_an_a_and_no_noise(of_one_venue):
    for venue in ("gate", "all"):
        grade, names = reasons(of_one_venue, "GOOD", venue, AS_OF)
        assert "single_venue" in names
        assert grade == "B", names
    ((is_noisy,),) = ask(
        of_one_venue,
        "select bool_or(is_noisy) from marts.asset_quality_hourly "
        "where asset = 'GOOD' and as_of = ?",
        [AS_OF],
    )
    assert not is_noisy


@pytest.mark.usefixtures("counted_by_pandas")
def test_an_asset_that_falls_silent_goes_stale_and_then_has_no_data(tmp_path):
    with workshop(tmp_path / "home") as shop:
        both = ("GONE", "HERE")
        shop.take_in(
            {
                "instrument": table_of(
                    "instrument",
                    [instrument_row(name, "gate") for name in both]
                    + [instrument_row("HERE", "bybit+gate")],
                ),
                "ohlcv": table_of(
                    "ohlcv",
                    [bar("GONE", n) for n in HOURS] + [bar("HERE", n) for n in range(240)],
                ),
                "open_interest": table_of(
                    "open_interest",
                    [held("GONE", n + 1) for n in HOURS]
                    + [held("HERE", n + 1, 1e7 + n) for n in range(240)],
                ),
            }
        )
    settings = Settings(home=tmp_path / "home", threads=1)
    for hours, reason in ((58, "stale"), (100, "stale"), (240, "no_data")):
        as_of = START + timedelta(hours=hours)
        build_maps(settings, as_of=as_of, estimators=ONE)
        check(settings, as_of=as_of)
        grade, names = reasons(settings, "GONE", "gate", as_of)
        assert grade == "C"
        assert reason in names
        assert reasons(settings, "HERE", "gate", as_of)[1] != names
    # Liquidations of venues together are a feed, no venue that ought to trade.
    assert not ask(settings, "from marts.asset_quality_hourly where contains(venue, '+')")
