"""Collectors that share a warehouse give it the rows that one home would have collected alone."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector, S3FileSystem
from standin import DAY, Faults, Standin, serving, synthetic_market
from workbench import differences, of_one_series, prepare_home
from workbench.lakes import ACCESS, object_server
from workbench.live import BAR, LiveHome, instant

from jobs.collect.landing import land, landing_name
from jobs.collect.send_landing import files_to_send
from jobs.collect.shared_landing import open_shared_landing
from jobs.collect.transfer_report import read_transfer_report
from jobs.pipeline import load
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.records import Batch
from sources.universe import Universe

START = 1_772_323_200_000  # 2026-03-01
VENUES = ("binance", "hyperliquid")


@pytest.fixture(scope="module")
def standin():
    market = synthetic_market(
        start=START, end=START + 2 * DAY, venues=VENUES, assets={"BTC": 70_000.0}
    )
    served = Standin(market, now=START, faults=Faults(seed=0), enforce_limits=False)
    with serving(served):
        yield served


@pytest.fixture(scope="module")
def storage():
    pytest.importorskip("moto", reason="the S3 stand-in is not installed")
    with pytest.MonkeyPatch.context() as patch, object_server() as server:
        for name, value in ACCESS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@dataclass
class Site:
    """A collector of each venue, the home they send to, and one that collects both itself."""

    folder: Path
    standin: Standin
    address: str

    def __post_init__(self):
        self.collectors = [self.home(venue, (venue,), send_to=self.address) for venue in VENUES]
        self.alone = self.home("alone", VENUES)
        self.writer = self.home("writer", (), receive_from=self.address).settings

    def home(self, name, venues, **more):
        prepare_home(self.folder / name)
        home = LiveHome(self.folder / name, self.standin, Universe(venues=venues, assets=("BTC",)))
        home.settings = home.settings.model_copy(update=more)
        return home

    def collect(self):
        """Run a round of all homes but the writer; return the reports of the collectors."""
        self.alone.ingest()
        return [one.ingest() for one in self.collectors]

    def differing(self):
        """Return the rows of raw that only the writer has, or only the home that is alone."""
        files = (self.alone.settings.warehouse, self.writer.warehouse)
        return differences(*files, schemas=("raw",))


def rows_of(settings, select):
    """Return the rows of a query on the writer's database of a home, in one order."""
    with open_writer(settings) as connection:
        return connection.execute(f"select * from ({select}) order by all").fetchall()


def objects_of(address):
    """Return the names of landing files below an address on object storage."""
    files = S3FileSystem(
        access_key=ACCESS["AWS_ACCESS_KEY_ID"],
        secret_key=ACCESS["AWS_SECRET_ACCESS_KEY"],
        endpoint_override=os.environ["AWS_ENDPOINT_URL"],
    )
    selector = FileSelector(address.removeprefix("s3://"), recursive=True, allow_not_found=True)
    names = {one.base_name for one in files.get_file_info(selector)}
    return {name for name in names if name.endswith(".parquet")}


@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_two_collectors_give_the_rows_of_one_home(tmp_path, standin, request, place):
    if place == "bucket":
        address = request.getfixturevalue("storage").make_bucket("shared")
    else:
        address = str(tmp_path / "shared")
        Path(address).mkdir()
    site = Site(tmp_path, standin, address)
    for step in range(2):
        standin.now = START + DAY + step * BAR + 7_000
        for report in site.collect():
            assert report.undone_count == 0
            assert report.transfer.messages == ()
            assert report.transfer.moved_count > 0
            assert report.transfer.waiting_count == 0
    # The writer runs less often than collectors do.
    load(site.writer)
    assert site.differing() == {}
    assert not any(files_to_send(one.settings) for one in site.collectors)
    report = read_transfer_report(site.writer)
    assert sorted(sorted(card.newest) for card in report.cards) == [["binance"], ["hyperliquid"]]
    assert report.messages == ()


# Kills the process at the n-th call of a method, before or after it has done its work.
_KILL = """
import os, signal
from itertools import count
from jobs.collect import shared_landing
from jobs.pipeline import load
from jobs.settings import read_settings

method, calls = shared_landing._BucketLanding.{name}, count(1)

def kill(*given):
    is_last = next(calls) == {number}
    if is_last and {when!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = method(*given)
    if is_last:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

shared_landing._CONCURRENCY = 1
shared_landing._BucketLanding.{name} = kill
load(read_settings())
"""


def run_killed(home: Settings, name, when, number):
    """Load a home in a process that is killed at a call of its shared landing."""
    variables = {"LIQHEAT_HOME": str(home.home), "LIQHEAT_THREADS": "1"}
    for field in ("send_to", "receive_from"):
        if address := getattr(home, field):
            variables[f"LIQHEAT_{field.upper()}"] = address
    ended = subprocess.run(
        [sys.executable, "-c", _KILL.format(name=name, when=when, number=number)],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def test_killed_in_a_send_and_in_a_receive_nothing_is_lost_or_doubled(
    tmp_path, storage, market_records
):
    address = storage.make_bucket("killed")
    homes = {name: Settings(home=tmp_path / name, threads=1) for name in ("alone", "sends")}
    tables = of_one_series(market_records, float("-inf"), 24.0).items()
    for home in homes.values():
        prepare_home(home.home)
        for number, (kind, table) in enumerate(tables):
            batch = Batch(kind, table)
            land(batch, home.landing, landing_name(batch, instant(START + number * BAR)))
        load(home)
    landed = {path.name for path in files_to_send(homes["alone"])}
    collector = homes["sends"].model_copy(update={"send_to": address})
    prepare_home(tmp_path / "writer")
    writer = Settings(home=tmp_path / "writer", threads=1, receive_from=address)
    for home, name, when, number in (
        (collector, "write", "after", 3),
        (writer, "remove", "before", 2),
        (collector, "write", "before", 2),
        (writer, "remove", "after", 1),
    ):
        run_killed(home, name, when, number)
        # What a collector has removed is in storage or with the writer.
        places = (*files_to_send(collector), *files_to_send(writer))
        assert {path.name for path in places} | objects_of(address) == landed
    load(collector)
    load(writer)
    assert objects_of(address) == set()
    assert {path.name for path in files_to_send(writer)} == landed
    files = (homes["alone"].warehouse, writer.warehouse)
    assert differences(*files, schemas=("raw",)) == {}


def test_storage_that_refuses_for_a_round_costs_nothing(tmp_path, standin, storage):
    site = Site(tmp_path, standin, storage.make_bucket("down"))
    collector = site.collectors[0]
    standin.now = START + DAY + 7_000
    storage.refuse(after=0)
    try:
        report = collector.ingest()
        load(site.writer)
    finally:
        storage.refuse(after=None)
    assert report.loaded is not None
    assert report.transfer.waiting_count > 0
    (message,) = report.transfer.messages
    assert "access is refused" in message
    assert "AWS_SESSION_TOKEN (a token may have expired)" in message
    assert ACCESS["AWS_SECRET_ACCESS_KEY"] not in message
    assert "access is refused" in read_transfer_report(site.writer).messages[0]
    standin.now += BAR
    assert collector.ingest().transfer.messages == ()
    load(site.writer)
    files = (collector.settings.warehouse, site.writer.warehouse)
    assert differences(*files, schemas=("raw",)) == {}


def test_a_bucket_that_is_gone_and_a_server_that_is_down_are_named(
    tmp_path, standin, storage, monkeypatch
):
    standin.now = START + DAY + 7_000
    collector, _ = Site(tmp_path, standin, "s3://nobody-made-this/landing").collectors
    assert "no such bucket" in collector.ingest().transfer.messages[0]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    standin.now += BAR
    report = collector.ingest()
    assert report.undone_count == 0
    assert "cannot be used at present" in report.transfer.messages[0]
    assert report.transfer.waiting_count == len(files_to_send(collector.settings)) > 0


class Overloaded(BaseHTTPRequestHandler):
    """Answers two requests with 503, then takes everything."""

    answers = iter((503, 503, 200))

    def do_PUT(self):
        # The body comes in chunks, each after its size; the last one is empty.
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.send_response(next(self.answers))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


def test_storage_that_is_overloaded_is_tried_again(tmp_path, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Overloaded)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    place = open_shared_landing(Settings(home=tmp_path, send_to="s3://bucket/landing"))
    try:
        place.write("ohlcv/a.parquet", b"PAR1")
    finally:
        server.shutdown()
        server.server_close()
    assert list(Overloaded.answers) == []


def test_two_collectors_of_one_venue_double_no_row_that_is_read(tmp_path, standin):
    (tmp_path / "shared").mkdir()
    site = Site(tmp_path, standin, str(tmp_path / "shared"))
    site.collectors[0] = site.home("both", VENUES, send_to=site.address)
    for step in range(2):
        begun = START + DAY + step * BAR + 7_000
        for number, home in enumerate((site.alone, *site.collectors)):
            # Their rounds begin some seconds apart, as clocks and schedules do.
            standin.now = begun + max(number - 1, 0) * 11_000
            home.ingest()
    load(site.writer)
    (message,) = read_transfer_report(site.writer).messages
    assert message.startswith("hyperliquid: ")
    assert "leave it out of the universe.yaml of one of them" in message
    found = {name.partition(":")[0] for name in site.differing()}
    assert found >= {"raw.ohlcv", "raw.funding_rate", "raw.open_interest"}
    # Snapshots are of their own seconds; what has a place in a series is there once.
    for view in ("stg_ohlcv", "stg_funding_rate"):
        kept = [
            rows_of(home, f"select * exclude (ingested_at, source) from staging.{view}")
            for home in (site.alone.settings, site.writer)
        ]
        assert kept[0] == kept[1]
    bars = [rows_of(one, "from intermediate.int_bar") for one in (site.alone.settings, site.writer)]
    assert bars[0] == bars[1]
    assert len(bars[0]) == 2 * DAY // BAR
