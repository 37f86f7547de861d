"""What the public archive holds ends up in raw once, whatever happens on the way."""

import datetime as dt
import re
from collections import Counter
from contextlib import contextmanager

import pytest
from numpy.testing import assert_allclose
from standin import DAY, serving, synthetic_market
from standin.archive import BAR, Archive, milliseconds, zipped
from typer.testing import CliRunner
from workbench.live import instant, live_home

import cli.collect
from cli.main import app
from jobs.collect import archive_intake
from jobs.collect.archives import archived_contracts, backfill_from_archive
from jobs.collect.scope import Effort
from jobs.errors import NothingToDo
from jobs.settings import Settings
from sources.archives import download
from sources.archives.binance import ArchivedContract
from sources.universe import Universe
from sources.venues.pacer import RequestPolicy
from warehouse.connect import open_warehouse

TODAY = dt.date(2026, 6, 12)
BEGIN = dt.date(2026, 5, 28)
START = dt.date(2026, 6, 2)
BTC = ArchivedContract("binance", "BTC/USDT:USDT", "BTCUSDT")
COIN_M = ArchivedContract("binancecoinm", "BTC/USD:BTC", "BTCUSD_PERP")
DOWN = "http://127.0.0.1:9"
QUICK = RequestPolicy(first_delay_seconds=0.001, longest_delay_seconds=0.01, concurrency=6)
EFFORT = Effort(60.0, QUICK, wait_seconds=0.0)
METRICS = "data/futures/um/daily/metrics/BTCUSDT/BTCUSDT-metrics-2026-06-{:02d}.zip"
MONTHLY = "data/futures/um/monthly/klines"


@pytest.fixture(scope="module")
def market():
    return synthetic_market(
        start=milliseconds(BEGIN),
        end=milliseconds(TODAY),
        assets={"BTC": 70_000.0},
        inverse_assets=("BTC",),
    )


class Home:
    """A home that fetches from a stand-in archive."""

    def __init__(self, folder, archive):
        self.archive = archive
        self.settings = Settings(home=folder, threads=1, archive_url=archive.base_url)

    def fetch(self, contracts=(BTC,), start=START, **options):
        now = dt.datetime.combine(self.archive.today, dt.time(7), tzinfo=dt.UTC)
        return backfill_from_archive(
            self.settings,
            clock=lambda: now,
            span=(dt.datetime.combine(start, dt.time(), tzinfo=dt.UTC), now),
            contracts=contracts,
            effort=EFFORT,
            **options,
        )

    def query(self, sql):
        with open_warehouse(self.settings.warehouse, threads=1) as connection:
            return connection.execute(sql).fetchall()

    def read(self):
        """Return open interest and bars of raw by kind, venue and instant [ms], each once."""
        found = {}
        with open_warehouse(self.settings.warehouse, threads=1) as connection:
            for kind, query in (
                ("open_interest", "epoch_ms(observed_at), open_interest_quantity"),
                ("ohlcv", "epoch_ms(bar_start_at), close, volume_quantity"),
                ("mark_ohlc", "epoch_ms(bar_start_at), mark_close"),
            ):
                rows = connection.execute(f"select venue, {query} from raw.{kind}").fetchall()
                for venue, at, *values in rows:
                    instants = found.setdefault((kind, venue), {})
                    assert at not in instants, (kind, venue, at)
                    instants[at] = values
        return found

    @property
    def left(self):
        return [path for path in (self.settings.home / "archive").rglob("*") if path.is_file()]


@contextmanager
def home_at(folder, market, **options):
    with serving(Archive(market, **{"today": TODAY, **options})) as archive:
        yield Home(folder, archive)


def truth(market, *, is_inverse=False, start=START, missing=()):
    """Return open interest and bars as the archive's days have them."""
    (series,) = (one for one in market if one.instrument.is_inverse == is_inverse)
    low, high = milliseconds(start), milliseconds(TODAY)
    held = {}
    for at, quantity, _ in series.samples(BAR, high, low, high, None, from_end=False):
        day = dt.datetime.fromtimestamp((at - BAR) / 1000, tz=dt.UTC).date()
        if start <= day < TODAY and day.day not in missing:
            held[at] = [quantity]
    bars = series.candles(BAR, high, milliseconds(BEGIN), high - 1, None, from_end=False)
    marks = series.candles(
        BAR, high, milliseconds(BEGIN), high - 1, None, from_end=False, is_mark=True
    )
    return {
        "open_interest": held,
        "ohlcv": {bar.start: [bar.close, bar.quantity] for bar in bars},
        "mark_ohlc": {bar.start: [bar.close] for bar in marks},
    }


def assert_whole(home, market, *, missing=(), is_both=False):
    found = home.read()
    venues = [("binance", False), ("binancecoinm", True)] if is_both else [("binance", False)]
    for venue, is_inverse in venues:
        for kind, wanted in truth(market, is_inverse=is_inverse, missing=missing).items():
            stored = found[kind, venue]
            assert stored.keys() == wanted.keys(), (kind, venue)
            assert_allclose([stored[at] for at in wanted], list(wanted.values()), rtol=1e-12)


def test_days_and_months_of_both_markets_land_as_the_market_was(tmp_path, market):
    with home_at(tmp_path, market) as home:
        report = home.fetch((BTC, COIN_M))
        assert report.failed == report.holes == report.unpublished == report.notes == []
        assert "quarantine" not in report.rows_by_kind
        assert_whole(home, market, is_both=True)
        # Bars of May came by the month, those of the running month by the day.
        assert home.archive.requested[f"{MONTHLY}/BTCUSDT/5m/BTCUSDT-5m-2026-05.zip"] == 1
        assert not any(
            "daily/klines" in path and "2026-05" in path for path in home.archive.requested
        )
        assert home.archive.most_at_once <= QUICK.concurrency
        assert home.left == []
        described = home.query("select venue, asset, contract_size from raw.instrument order by 1")
        assert described == [("binance", "BTC", 1.0), ("binancecoinm", "BTC", 100.0)]
        # Nothing is left to fetch.
        home.archive.requested.clear()
        home.fetch((BTC, COIN_M))
        assert not home.archive.requested


def test_absent_days_are_known_and_late_ones_come_later(tmp_path, market):
    with home_at(tmp_path, market) as home:
        home.archive.faults = {
            METRICS.format(7): ("missing", -1),
            METRICS.format(11): ("missing", 1),
        }
        report = home.fetch()
        assert report.holes == ["binance BTC/USDT:USDT metrics: 2026-06-07"]
        assert report.failed == []
        assert (report.files["absent"], report.files["early"]) == (1, 1)
        assert_whole(home, market, missing=(7, 11))
        home.archive.requested.clear()
        report = home.fetch()
        # Yesterday's file is out by now; the hole is known and not looked for again.
        assert home.archive.requested.keys() == {
            METRICS.format(11),
            METRICS.format(11) + ".CHECKSUM",
        }
        assert report.holes == ["binance BTC/USDT:USDT metrics: 2026-06-07"]
        assert_whole(home, market, missing=(7,))
        assert home.query(
            "select first_day::text, status from marts.archive_files where status <> 'loaded'"
        ) == [("2026-06-07", "absent")]


WRONG = {
    "wrong_checksum": "wrong checksum, twice",
    "truncated": "wrong checksum, twice",
    "no_checksum": "no checksum is published beside it",
    "no_zip": "no zip, though its checksum is right",
    "other_symbol": "holds rows of ETH/USDT:USDT instead of BTC/USDT:USDT",
    "other_day": "other days than its name says",
    "server_error": "refused with 503",
}


def test_files_that_are_wrong_are_named_and_cost_only_themselves(tmp_path, market):
    with home_at(tmp_path, market) as home:
        faulty = {METRICS.format(day): kind for day, kind in enumerate(WRONG, start=2)}
        home.archive.faults = {path: (kind, -1) for path, kind in faulty.items()}
        report = home.fetch()
        assert len(report.failed) == len(WRONG)
        for path, kind in faulty.items():
            (message,) = (one for one in report.failed if path in one)
            assert WRONG[kind] in message
        assert_whole(home, market, missing=range(2, 9))
        # Once they are right, they are the only ones that are fetched.
        home.archive.faults.clear()
        home.archive.requested.clear()
        assert home.fetch().failed == []
        assert {path.removesuffix(".CHECKSUM") for path in home.archive.requested} == faulty.keys()
        assert_whole(home, market)
        assert home.left == []


def test_what_passes_is_tried_again(tmp_path, market):
    with home_at(tmp_path, market) as home:
        kinds = ("cut", "too_many_requests", "server_error", "slow")
        hit = {METRICS.format(day): kind for day, kind in enumerate(kinds, start=2)}
        home.archive.faults = {path: (kind, 2) for path, kind in hit.items()}
        assert home.fetch().failed == []
        tries = {kind: home.archive.requested[path] for path, kind in hit.items()}
        assert tries == {"cut": 3, "too_many_requests": 3, "server_error": 3, "slow": 1}
        assert_whole(home, market)


def test_an_archive_that_is_down_is_left_alone_and_tried_again_later(tmp_path, market):
    with home_at(tmp_path, market) as home:
        up, home.settings.archive_url = home.settings.archive_url, DOWN
        report = home.fetch()
        assert report.files["loaded"] == 0
        assert report.files["failed"] == len(report.failed) > 3
        assert any("failed in a row" in message for message in report.failed)
        home.settings.archive_url = up
        assert home.fetch().failed == []
        assert_whole(home, market)


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize(
    ("where", "after"),
    [
        ("sources.archives.download._write_whole", 5),
        ("jobs.collect.archive_intake.land", 1),
        ("jobs.collect.archive_intake.write_archive_files", 0),
        ("jobs.collect.archive_intake.ArchiveIntake._put_away", 2),
    ],
)
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, market, monkeypatch, where, after):
    with home_at(tmp_path, market) as home:
        calls = Counter()

        def count(real):
            def counted(*args, **options):
                if calls["made"] == after:
                    raise Killed
                calls["made"] += 1
                return real(*args, **options)

            return counted

        module, _, name = where.rpartition(".")
        owner = {
            "sources.archives.download": download,
            "jobs.collect.archive_intake": archive_intake,
            "jobs.collect.archive_intake.ArchiveIntake": archive_intake.ArchiveIntake,
        }[module]
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, count(getattr(owner, name)))
            with pytest.raises(Killed):
                home.fetch()
        fetched_before = {path for path in home.archive.requested if path.endswith(".CHECKSUM")}
        on_disk = len([path for path in home.left if path.suffix == ".zip"])
        home.archive.requested.clear()
        assert home.fetch().failed == []
        assert_whole(home, market)
        assert home.left == []
        again = {path for path in home.archive.requested if path.endswith(".CHECKSUM")}
        assert len(again & fetched_before) <= len(fetched_before) - on_disk


def test_files_are_kept_on_request(tmp_path, market):
    with home_at(tmp_path, market) as home:
        home.fetch(is_keeping=True)
        names = {path.relative_to(tmp_path / "archive").as_posix() for path in home.left}
        assert METRICS.format(8) in names
        assert (
            len(names)
            == home.query("select count(*) from meta.archive_file where status = 'loaded'")[0][0]
        )


def test_labels_that_changed_are_read_by_the_price(tmp_path):
    today, change = dt.date(2026, 6, 28), dt.date(2026, 6, 25)
    begin = dt.date(2026, 6, 22)
    market = synthetic_market(
        start=milliseconds(begin), end=milliseconds(today), assets={"BTC": 70_000.0}
    )
    with home_at(tmp_path, market, today=today, relabelled_from=change) as home:
        report = home.fetch(start=begin)
        assert report.notes == []
        (series,) = market
        samples = series.samples(
            BAR, milliseconds(today), milliseconds(begin) + BAR, None, None, from_end=False
        )
        held = home.read()["open_interest", "binance"]
        assert {at: value for at, (value,) in held.items()} == pytest.approx(
            {at: quantity for at, quantity, _ in samples}
        )


def test_a_zip_that_unfolds_too_far_is_refused(tmp_path, market, monkeypatch):
    monkeypatch.setattr(download, "LARGEST_UNZIPPED_BYTES", 100_000)
    with home_at(tmp_path, market) as home:
        real = home.archive.file
        bomb = zipped("x.csv", b"0" * 100_001)
        lying = bytearray(zipped("x.csv", b"0,0\n" * 20_000))
        # The size that local and central header declare, 80,000, becomes 8.
        size = (80_000).to_bytes(4, "little")
        assert lying.count(size) >= 1
        lying = bytes(lying).replace(size, (8).to_bytes(4, "little"))
        bodies = {METRICS.format(7): bomb, METRICS.format(8): lying}
        monkeypatch.setattr(
            home.archive, "file", lambda path, fault=None: bodies.get(path) or real(path, fault)
        )
        first, second = sorted(home.fetch().failed)
        assert "would unzip to 100,001" in first
        assert METRICS.format(8) in second
        assert_whole(home, market, missing=(7, 8))


def test_a_contract_the_archive_does_not_have_is_named(tmp_path, market):
    with home_at(tmp_path, market) as home:
        report = home.fetch((ArchivedContract("binance", "XYZ/USDT:USDT", "XYZUSDT"),))
        assert report.unpublished == ["binance XYZ/USDT:USDT"]
        home.archive.requested.clear()
        home.fetch((ArchivedContract("binance", "XYZ/USDT:USDT", "XYZUSDT"),))
        # Only what may yet appear is looked for again.
        assert all(
            re.search("2026-06-(09|1)|fundingRate|monthly", one) for one in home.archive.requested
        )


def test_the_archive_and_live_ingestion_make_one_history(tmp_path, market, monkeypatch):
    now = milliseconds(TODAY) - DAY // 2
    with (
        live_home(
            tmp_path, market, now, venues=("binance",), assets=("BTC",), history_days=2
        ) as live,
        home_at(tmp_path, market) as home,
    ):
        live.ingest()
        (tmp_path / "universe.yaml").write_text("{venues: [binance], assets: [BTC, ETH]}")
        monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path))
        monkeypatch.setenv("LIQHEAT_VENUE_URL", live.standin.base_url)
        monkeypatch.setenv("LIQHEAT_ARCHIVE_URL", home.archive.base_url)
        monkeypatch.setattr(cli.collect, "now", live.clock)
        command = ["backfill", "--source", "archive", "--days", "9", "--asset", "btc"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "contracts: 1; files: 31 loaded, 0 not published" in result.output
        held = live.query(
            "select epoch_ms(observed_at), open_interest_quantity from staging.stg_open_interest "
            "where instrument = 'BTC/USDT:USDT' and second(observed_at) = 0"
        )
        assert len(dict(held)) == len(held)
        (series,) = (one for one in market if not one.instrument.is_inverse)
        low = milliseconds(START) + BAR
        samples = series.samples(BAR, now, low, None, None, from_end=False)
        wanted = {at: quantity for at, quantity, _ in samples}
        assert dict(held) == pytest.approx(wanted)
        # Both gave the day and a half before, in the same units.
        ((overlap, farthest),) = live.query(
            "select count(*), max(abs(ln(one.open_interest_quantity "
            "/ other.open_interest_quantity))) from raw.open_interest as one "
            "inner join raw.open_interest as other using (venue, instrument, observed_at) "
            "where one.source like 'recorded:%' and other.source like 'ccxt:%'"
        )
        assert overlap > 200
        assert farthest < 1e-9
        # Every bar of the model's input is there once, with its open interest.
        ((bars, instants, known),) = live.query(
            "select count(*), count(distinct bar_start_at), count(open_interest_quantity) "
            f"from intermediate.int_bar where bar_start_at >= '{START} 00:00:00+00'"
        )
        assert bars == instants == known > 2500
        assert live.query("select * from marts.data_gaps where kind = 'open_interest'") == []
        # A venue that cannot be reached has the contracts it listed last.
        live.settings.archive_url, live.settings.venue_url = home.archive.base_url, DOWN
        again = backfill_from_archive(
            live.settings,
            clock=live.clock,
            span=(live.clock() - dt.timedelta(days=9), live.clock()),
            contracts=archived_contracts(
                live.settings, clock=live.clock, universe=live.universe, effort=EFFORT
            ),
            effort=EFFORT,
        )
        assert again.contracts == 1
        assert again.failed == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--source", "archive"], "give --from or --days"),
        (["--days", "3", "--from", "2026-06-01"], "give --from or --days"),
        (["--days", "3", "--asset", "BTC"], "go with --source archive"),
        (["--source", "archive", "--days", "1e300"], "--days"),
        (["--source", "spot", "--days", "3"], "--source"),
    ],
)
def test_what_a_backfill_cannot_mean_is_refused(options, said):
    result = CliRunner().invoke(app, ["backfill", *options])
    assert result.exit_code == 2
    assert said in result.output


def test_without_contracts_the_message_says_what_to_do(tmp_path, market):
    with home_at(tmp_path, market) as home:
        home.settings.venue_url = DOWN
        universe = Universe(venues=("okx",), assets=("BTC",))
        with pytest.raises(NothingToDo, match="liqheat import"):
            archived_contracts(
                home.settings, clock=lambda: instant(0), universe=universe, effort=EFFORT
            )
