"""What happens to machines costs no rows: the next run heals, and status says what happened.

A full disk, a home that cannot be written, a clock that jumps back, a daylight-saving zone, a
backfill that is killed again and again.
"""

import subprocess
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from standin import DAY, HOUR, synthetic_market
from typer.testing import CliRunner
from workbench import END
from workbench import kills as killing
from workbench.forking import Forks
from workbench.live import BAR, instant, live_home, truth_of

from cli.arguments import hour_of
from cli.main import app
from flows.hours import hour_of as hour_of_flow
from jobs.errors import AllVenuesFailed
from jobs.pipeline import build_maps, load
from jobs.publish.publish import publish
from jobs.read.query import open_reader
from jobs.read.status import read_status
from jobs.settings import Settings
from transforms.estimators import ESTIMATORS
from warehouse.errors import StorageFull

START = 1_772_323_200_000  # 2026-03-01
KINDS = ("ohlcv", "mark_ohlc", "open_interest", "funding_rate")
ONE = (ESTIMATORS["turnover"],)


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=START, end=START + 5 * DAY, venues=("binance",), assets={"BTC": 7e4},
        inverse_assets=(),
    )  # fmt: skip


def mounted(*arguments):
    """Mount, or skip the test where this user cannot."""
    try:
        done = subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no `mount` on this machine")
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")


def problems(settings):
    return "\n".join(read_status(settings, now=datetime.now(UTC)).problems)


def assert_whole(home, market, first, now):
    """Hold raw against the market: nothing missing, nothing different, nothing twice."""
    for kind in KINDS:
        stored, truth = home.rows(kind), truth_of(market, home, kind, {"binance": first}, now)
        assert truth
        assert truth.keys() - stored.keys() == set(), kind
        for key, values in truth.items():
            assert stored[key] == pytest.approx(values, rel=1e-9, abs=1e-9), (kind, key)
        ((rows,),) = home.query(f"select count(*) from raw.{kind}")
        assert rows == len(stored), kind


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of its own, of 256 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", "size=256m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder, leaving):
    """Leave so many bytes of a disk and return what takes up the rest."""
    filler = folder / "filler"
    with filler.open("wb") as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
            file.flush()
    with filler.open("rb+") as file:
        file.truncate(filler.stat().st_size - leaving)
    return filler


# With more room the warehouse, which shrinks when it is opened, may find enough.
@pytest.mark.parametrize("leaving", [0, 4096])
def test_a_full_disk_costs_no_rows(small_disk, market, leaving, caplog):
    with live_home(small_disk / "home", market, START + DAY + 7_000, venues=("binance",)) as home:
        home.ingest()
        filler = fill(small_disk, leaving)
        home.standin.now += 12 * HOUR
        with pytest.raises(StorageFull, match="no room on the disk"):
            home.ingest()
        found = problems(home.settings)
        assert "MB free on the disk" in found
        # The run is on record where there was room for it.
        assert ("the last ingest ended as failed" in found) != ("be recorded" in caplog.text)
        filler.unlink()
        home.standin.now += BAR
        home.ingest()
        assert_whole(home, market, START + BAR, home.standin.now - BAR)
        found = problems(home.settings)
        assert "free on the disk" not in found
        assert "ended as" not in found


@contextmanager
def read_only(folder):
    """Let nobody write to a folder around the block, root included."""
    mounted("--bind", folder, folder)
    try:
        mounted("-o", "remount,bind,ro", folder)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_home_is_read_and_says_that_it_cannot_be_written(home, monkeypatch):
    settings = Settings(home=home, threads=1)
    monkeypatch.setenv("LIQHEAT_HOME", str(home))
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    run = CliRunner().invoke
    with read_only(home):
        for command in ("run", "publish", "maintain", "ingest", "rebuild"):
            shown = run(app, [command, *(["--no-ask"] if command == "maintain" else [])])
            assert shown.exit_code == 1, (command, shown.output)
            assert "Traceback" not in shown.output
            assert "Read-only file system" in shown.output, command
            assert str(home) in shown.output
        shown = run(app, ["query", "select count(*) as hours from marts.market_context_hourly"])
        assert shown.exit_code == 0
        assert "cannot be written" in problems(settings)
    assert before == {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    assert "cannot be written" not in problems(settings)
    load(settings)
    publish(settings, as_of=END)


def test_a_clock_that_jumps_back_an_hour_doubles_and_loses_nothing(tmp_path, market, monkeypatch):
    begun = START + 2 * DAY + 7_000
    with live_home(tmp_path, market, begun, venues=("binance",)) as home:
        # The venues' time goes on; this machine's is set back before the third round.
        for step, back in enumerate([0, 0, HOUR, HOUR, HOUR, 0]):
            home.standin.now = begun + step * 6 * BAR
            at = instant(home.standin.now - back)
            monkeypatch.setattr(home, "clock", lambda at=at: at)
            monkeypatch.setattr("jobs.runs.datetime", Mock(now=lambda _, at=at: at))
            if step == 3:
                home.standin.faults.add("server_error")
                with pytest.raises(AllVenuesFailed):
                    home.ingest()
                home.standin.faults.clear()
            else:
                home.ingest()
            # Status shows the round that ran last, not the one whose clock was ahead.
            status = read_status(home.settings, now=at)
            last = {run.job: (run.status, run.started_at) for run in status.runs}
            assert last["ingest"] == ("failed" if step == 3 else "done", at)
            assert any("ended as failed" in one for one in status.problems) == (step == 3)
        assert_whole(home, market, START + DAY + BAR, home.standin.now - BAR)
        assert home.query("select count(*) from marts.data_gaps") == [(0,)]


@pytest.fixture
def zone(monkeypatch):
    """Return how the zone of this process is set, for the test only."""

    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_every_hour_comes_once_where_local_clocks_change(day, tmp_path, zone):
    zone("Europe/Berlin")
    changed = round(datetime.fromisoformat(f"{day}T01:00+00:00").timestamp() * 1000)
    market = synthetic_market(
        start=changed - 3 * DAY, end=changed + DAY, venues=("binance",), assets={"BTC": 7e4},
        inverse_assets=(),
    )  # fmt: skip
    with live_home(tmp_path, market, changed - HOUR + 7_000, venues=("binance",)) as home:
        home.ingest()
        home.standin.now += 2 * HOUR
        home.ingest()
        assert_whole(home, market, changed - DAY, home.standin.now - BAR)
        end = instant(changed + HOUR)
        build_maps(home.settings, as_of=end, estimators=ONE)
        publish(home.settings, as_of=end)
        with open_reader(home.settings) as reader:
            hours = reader.execute(
                "select as_of from marts.market_context_hourly where as_of >= ? order by as_of",
                [end - timedelta(hours=4)],
            ).fetchall()
    assert [at for (at,) in hours] == [end - timedelta(hours=4 - n) for n in range(5)]
    days = home.settings.published / "parquet" / "market_context_hourly"
    before = f"day={(end - timedelta(days=1)).date()}"
    assert {path.name for path in days.iterdir()} - {before} == {f"day={day}"}


@pytest.mark.parametrize("local", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_given_hours_are_utc_when_local_clocks_change(local, day, zone):
    zone(local)
    for hour in range(5):
        naive = datetime.fromisoformat(f"{day}T{hour:02d}:30")
        expected = naive.replace(minute=0, tzinfo=UTC)
        assert hour_of(naive) == hour_of_flow(naive) == expected


def test_a_backfill_killed_again_and_again_requests_only_what_is_missing(tmp_path):
    start, end, kills = START + HOUR, START + 7 * DAY, 4
    market = synthetic_market(
        start=START, end=end + DAY, venues=("binance",), assets={"BTC": 7e4}, inverse_assets=()
    )

    paged = ("candles", "mark_candles", "open_interest_history")

    def calls(home, *endpoints):
        counts = home.standin.counts
        return sum(n for (_, name), n in counts.items() if not endpoints or name in endpoints)

    with (
        live_home(tmp_path / "calm", market, end, venues=("binance",), assets=("BTC",)) as calm,
        live_home(tmp_path / "killed", market, end, venues=("binance",), assets=("BTC",)) as home,
        Forks(killing.__name__, "ccxt.async_support", "jobs.collect.ingest") as forks,
    ):
        calm.backfill(start)
        job = (killing.__name__, "back_fill", str(home.settings.home), home.standin.base_url)
        for _ in range(kills):
            before = calls(home)
            call = forks.start(*job, start, end)
            while calls(home) < before + 3:
                time.sleep(0.01)
            assert call.kill()
        forks.start(*job, start, end).end()
        # A kill costs the answer that had not landed; of ratios a slot is whole with all three.
        # Each run lists the contracts, and asks for the last day of fundings, which have no slots.
        assert calls(calm, *paged) <= calls(home, *paged) <= calls(calm, *paged) + kills
        assert calls(home) <= calls(calm) + kills * (3 + 2)
        assert_whole(home, market, start, end - BAR)
        assert {kind: home.rows(kind) for kind in KINDS} == {
            kind: calm.rows(kind) for kind in KINDS
        }
