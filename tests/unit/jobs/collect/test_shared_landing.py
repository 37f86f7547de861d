"""What a collector lands reaches the writer once and whole, and waits while it cannot."""

import json
import os
import re
import socket
from datetime import UTC, datetime, timedelta

import pytest
from pyarrow.lib import ArrowInvalid
from typer.testing import CliRunner
from workbench import END, START, instrument_row, prepare_home, table_of

import jobs.collect.ingest
from cli.main import app
from jobs.collect import shared_landing
from jobs.collect.collector_card import CollectorCard, newest_rounds, shared_venues
from jobs.collect.doctor import run_doctor
from jobs.collect.landing import land, landing_name
from jobs.collect.receive_landing import names_in_shared_landing, receive_landing
from jobs.collect.round_report import IngestReport
from jobs.collect.send_landing import files_to_send, send_landing
from jobs.collect.shared_landing import open_shared_landing
from jobs.collect.transfer_report import TransferReport, read_transfer_report
from jobs.errors import NothingToDo, SharedLandingFailed
from jobs.maintain import maintain
from jobs.pipeline import load, rebuild
from jobs.read.status import read_status
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.records import Batch
from warehouse.feed_ledger import Feed, refresh_gaps, write_feeds
from warehouse.load import LoadReport

AT = datetime(2026, 2, 1, 10, 7, tzinfo=UTC)


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.fixture
def collector(tmp_path, shared):
    prepare_home(tmp_path / "collector")
    return Settings(home=tmp_path / "collector", threads=1, send_to=str(shared))


@pytest.fixture
def writer(tmp_path, shared):
    prepare_home(tmp_path / "writer")
    return Settings(home=tmp_path / "writer", threads=1, receive_from=str(shared))


def bars(venue="binance", count=3):
    rows = [
        {
            **dict.fromkeys(("open", "high", "low", "close"), 100.0 + hour),
            "venue": venue,
            "instrument": "BTC/USDT:USDT",
            "bar_seconds": 300,
            "bar_start_at": START + timedelta(hours=hour),
            "volume_quantity": 1.0,
        }
        for hour in range(count)
    ]
    return Batch("ohlcv", table_of("ohlcv", rows, END))


def land_bars(settings, at=AT, **more):
    batch = bars(**more)
    return land(batch, settings.landing, landing_name(batch, at))


def rows_of(settings, sql="select count(*) from raw.ohlcv"):
    with open_writer(settings) as connection:
        return connection.execute(sql).fetchall()


def objects(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.parquet"))


def test_what_a_collector_lands_is_loaded_by_the_writer_under_its_name(collector, writer, shared):
    path = land_bars(collector)
    content, name = path.read_bytes(), path.name
    load(collector)
    assert objects(shared) == [f"ohlcv/{name}"]
    assert (shared / "ohlcv" / name).read_bytes() == content
    assert files_to_send(collector) == []
    load(writer)
    assert objects(shared) == []
    assert (writer.landing / "ohlcv" / name).read_bytes() == content
    assert rows_of(writer) == rows_of(collector) == [(3,)]
    # What is gone from the landing folder is gone from the ledger at the next round.
    load(collector)
    assert rows_of(collector, "select count(*) from meta.landing_file") == [(0,)]


def test_an_outage_costs_nothing(collector, writer, shared):
    shared.rename(shared.with_name("unmounted"))
    land_bars(collector)
    load(collector)
    report = read_transfer_report(collector)
    assert (report.moved_count, report.waiting_count) == (0, 1)
    assert "no such folder; mount it" in report.messages[0]
    assert "LIQHEAT_SEND_TO" in report.messages[0]
    load(writer)
    assert "LIQHEAT_RECEIVE_FROM" in read_transfer_report(writer).messages[0]
    assert not shared.exists()
    shared.with_name("unmounted").rename(shared)
    load(collector)
    load(writer)
    assert rows_of(writer) == [(3,)]
    assert read_transfer_report(writer).messages == ()


def test_sending_stops_at_the_first_failure_and_keeps_the_rest(collector, shared, monkeypatch):
    for number in range(20):
        land_bars(collector, count=number + 1)
    write = shared_landing._FolderLanding.write

    def full(self, name, content):
        if len(list(shared.glob("ohlcv/*"))) >= 4:
            raise SharedLandingFailed("no room")
        write(self, name, content)

    monkeypatch.setattr(shared_landing._FolderLanding, "write", full)
    load(collector)
    report = read_transfer_report(collector)
    assert report.moved_count == len(objects(shared)) >= 4
    assert report.moved_count + report.waiting_count == 20
    assert report.waiting_count == len(files_to_send(collector)) > 0
    monkeypatch.undo()
    load(collector)
    assert len(objects(shared)) == 20


def test_a_collector_that_sent_everything_has_nothing_to_rebuild_from(collector):
    land_bars(collector)
    load(collector)
    with pytest.raises(NothingToDo, match=r"Delete .*warehouse.duckdb: the next round requests"):
        rebuild(collector)


def test_a_file_that_is_not_loaded_at_home_is_not_sent(collector, shared):
    path = land_bars(collector)
    path.write_bytes(path.read_bytes()[:-40])
    assert "not a complete Parquet file" in load(collector).rejected[0]
    assert objects(shared) == []
    assert files_to_send(collector) == [path]


def test_a_torn_file_is_refused_until_it_is_whole(collector, writer, shared):
    land_bars(collector)
    load(collector)
    (path,) = shared.glob("ohlcv/*.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:-40])
    load(writer)
    report = read_transfer_report(writer)
    assert (report.moved_count, report.waiting_count) == (0, 1)
    assert "not a complete Parquet file" in report.messages[0]
    assert not list(writer.landing.glob("ohlcv/*"))
    path.write_bytes(content)
    load(writer)
    assert rows_of(writer) == [(3,)]


def test_a_file_that_comes_again_is_loaded_once_and_one_that_changed_is_refused(
    collector, writer, shared
):
    land_bars(collector)
    load(collector)
    (path,) = shared.glob("ohlcv/*.parquet")
    content = path.read_bytes()
    load(writer)
    # A collector that was killed before it removed the file sends it again.
    path.write_bytes(content)
    load(writer)
    assert objects(shared) == []
    assert rows_of(writer) == [(3,)]
    path.write_bytes(content + b"more")
    load(writer)
    assert "changed after it was received" in read_transfer_report(writer).messages[0]
    assert objects(shared) == [f"ohlcv/{path.name}"]
    assert rows_of(writer) == [(3,)]


def test_raw_history_waits_for_what_the_shared_landing_still_has(
    collector, writer, shared, monkeypatch
):
    land_bars(collector)
    load(collector)

    def refuse(self, name):
        raise SharedLandingFailed("access is refused")

    monkeypatch.setattr(shared_landing._FolderLanding, "remove", refuse)
    load(writer)
    assert rows_of(writer) == [(3,)]
    assert read_transfer_report(writer).messages == ("access is refused",)

    def keep_house():
        return maintain(writer, clock=lambda: AT + timedelta(days=400), is_fetching=False)

    # Once moved and forgotten, the file would be received and loaded a second time.
    assert keep_house().moved_files == 0
    load(writer)
    assert rows_of(writer) == [(3,)]
    monkeypatch.undo()
    load(writer)
    assert names_in_shared_landing(writer) == frozenset()
    shared.rename(shared.with_name("unmounted"))
    assert keep_house().moved_files == 0
    shared.with_name("unmounted").rename(shared)
    assert keep_house().moved_files == 1
    load(writer)
    assert rows_of(writer) == [(3,)]


def test_maintenance_of_a_collector_leaves_files_to_be_sent(collector, shared):
    land_bars(collector)
    load(collector.model_copy(update={"send_to": None}))
    report = maintain(collector, clock=lambda: AT + timedelta(days=400), is_fetching=False)
    assert report.moved_files == 0
    load(collector)
    assert len(objects(shared)) == 1


def test_what_is_no_landing_file_stays_and_is_named(writer, shared, tmp_path):
    for name in ("novelty/a.parquet", "ohlcv/notes.txt", "ohlcv/.a.parquet"):
        (shared / name).parent.mkdir(exist_ok=True)
        (shared / name).write_bytes(b"PAR1")
    (shared / "collectors").mkdir()
    (shared / "collectors" / "broken.json").write_text("{")
    load(writer)
    (message,) = read_transfer_report(writer).messages
    assert message.startswith("3 files of the shared landing are no landing files")
    assert not list(writer.landing.glob("*/*"))


def test_a_file_that_cannot_be_kept_here_costs_itself_only(collector, writer, shared):
    land_bars(collector)
    load(collector)
    (path,) = shared.glob("ohlcv/*")
    long = path.with_name(f"{'x' * 247}.parquet")
    long.write_bytes(path.read_bytes())
    load(writer)
    (message,) = read_transfer_report(writer).messages
    assert "File name too long" in message
    assert rows_of(writer) == [(3,)]
    assert objects(shared) == [f"ohlcv/{long.name}"]


def test_what_a_killed_collector_left_half_written_is_cleared(collector, shared):
    writing = shared / ".writing"
    writing.mkdir()
    host = socket.gethostname()
    left, busy = writing / f"a-{host}-{2**22 + 1}", writing / f"b-{host}-{os.getpid()}"
    old = writing / "d-elsewhere-1"
    for path in (left, busy, writing / "c-elsewhere-1", old):
        path.write_bytes(b"PAR1")
    os.utime(old, (0, 0))
    land_bars(collector)
    load(collector)
    assert sorted(path.name[0] for path in writing.iterdir()) == ["b", "c"]
    assert len(objects(shared)) == 1


def test_a_card_says_who_sends_what_and_outlives_rounds(collector, writer, shared):
    land_bars(collector, venue="okx")
    load(collector)
    first = read_transfer_report(collector).cards[0]
    assert first.newest == {"okx": AT}
    land_bars(collector, at=AT + timedelta(hours=1), count=2)
    send = datetime(2026, 2, 1, 11, 9, tzinfo=UTC)
    load(collector.model_copy(update={"send_to": None}))
    card = send_landing(collector, at=send).cards[0]
    assert card.newest == {"binance": AT + timedelta(hours=1), **first.newest}
    assert card.sent_at == send
    assert receive_landing(writer, at=send).cards == (card,)
    stored = json.loads((shared / "collectors" / f"{card.collector}.json").read_text())
    assert stored["host"] == socket.gethostname()


def card(name, **hours):
    newest = {venue: AT.replace(hour=hour, minute=0) for venue, hour in hours.items()}
    return CollectorCard(name * 8, "host", AT, newest)


def test_two_collectors_of_a_venue_are_named_while_they_both_send_it():
    found = list(shared_venues([card("a", okx=9, gate=9), card("b", okx=9, gate=8), card("c")]))
    assert len(found) == 1
    assert found[0].startswith("okx: host (aaaaaaaa) and host (bbbbbbbb) both sent rows of the")


def test_a_writer_that_collects_itself_is_a_collector_too(collector, writer):
    land_bars(collector)
    load(collector)
    report = receive_landing(writer, at=AT, own_venues=("binance", "okx"))
    assert len(report.messages) == 1
    assert report.messages[0].startswith("binance: ")
    # It is not waiting for anything because of that.
    assert (report.moved_count, report.waiting_count) == (1, 0)


def test_rounds_come_from_live_names_of_contracts_only():
    stamp = "20260201T100700Z-0123456789ab.parquet"
    names = [
        f"ohlcv/okx-{stamp}",
        f"realised_liquidation/stream-gate-{stamp}",
        f"quote_rate/kraken-{stamp}",
        "ohlcv/binance-archive-0000.parquet",
    ]
    assert newest_rounds(names) == dict.fromkeys(("okx", "gate"), AT)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("AWS Error NO_SUCH_BUCKET during PutObject", "no such bucket"),
        ("AWS Error ACCESS_DENIED during ListObjectsV2 operation", "access is refused"),
        ("AWS Error SIGNATURE_DOES_NOT_MATCH during PutObject", "access is refused"),
        ("(HTTP status 400): Unable to parse ExceptionName: ExpiredToken", "may have expired"),
        ("AWS Error UNKNOWN (HTTP status 301) during ListObjectsV2", "correct AWS_REGION"),
        ("AWS Error SLOW_DOWN during PutObject operation: slow", "cannot be used at present"),
        ("AWS Error UNKNOWN (HTTP status 500) during PutObject", "cannot be used at present"),
        ("[Errno 28] No space left on device", "no room on the disk"),
        ("[Errno 13] Permission denied: 'x'", "access is refused"),
    ],
)
@pytest.mark.parametrize("kind", [OSError, ArrowInvalid])
def test_errors_of_a_place_say_what_to_do(text, words, kind):
    with (
        pytest.raises(SharedLandingFailed, match=words) as caught,
        shared_landing._translated("s3://bucket/landing", "LIQHEAT_SEND_TO"),
    ):
        raise kind(text)
    assert str(caught.value).startswith("s3://bucket/landing: ")


def test_a_key_without_its_secret_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    with pytest.raises(SharedLandingFailed, match="AWS_SECRET_ACCESS_KEY is not; set both"):
        open_shared_landing(Settings(home=tmp_path, send_to="s3://bucket/landing"))


def problems_of(settings, **later):
    return read_status(settings, now=datetime.now(UTC) + timedelta(**later)).problems


def test_status_says_what_waits_and_why(collector, writer, shared, monkeypatch):
    assert "nothing was sent yet: run `liqheat ingest`" in problems_of(collector)
    assert "nothing was received yet: run `liqheat run`" in problems_of(writer)
    land_bars(collector, at=datetime.now(UTC))
    shared.rename(shared.with_name("unmounted"))
    load(collector)
    found = problems_of(collector, hours=3)
    assert any("no such folder; mount it" in one for one in found)
    assert any("1 files wait to be sent" in one and "first for 3 h" in one for one in found)
    assert read_status(collector, now=AT).transfer.waiting_count == 1
    shared.with_name("unmounted").rename(shared)
    send_landing(collector, at=datetime.now(UTC))
    # Nothing is published here, nothing stays in landing: both are as they should be.
    assert problems_of(collector) == ()
    assert read_status(collector, now=AT).transfer.waiting_count == 0
    monkeypatch.setenv("LIQHEAT_HOME", str(collector.home))
    monkeypatch.setenv("LIQHEAT_SEND_TO", str(shared))
    answer = CliRunner().invoke(app, ["status"])
    assert answer.exit_code == 0, answer.output
    assert "sent 1 files at " in answer.output
    (collector.home / "shared_landing.json").write_text("{")
    assert "is no report of a transfer: delete it" in problems_of(collector)[0]


def test_a_round_that_could_not_send_says_so_and_ends_with_1(monkeypatch, collector):
    transfer = TransferReport(AT, "sent", 0, 3, ("s3://bucket: there is no such bucket",))
    report = IngestReport({}, (), (), 5, 0, LoadReport({}, 0, ()), transfer)
    monkeypatch.setattr(jobs.collect.ingest, "ingest", lambda *_, **__: report)
    monkeypatch.setenv("LIQHEAT_HOME", str(collector.home))
    answer = CliRunner().invoke(app, ["ingest"])
    assert answer.exit_code == 1
    assert "sent 0 files, 3 wait" in answer.output
    assert "there is no such bucket" in answer.output


def test_status_names_collectors_that_stopped_and_clocks_that_differ(collector, writer):
    send_landing(collector, at=AT)
    receive_landing(writer, at=AT + timedelta(hours=3))
    assert any("had not sent for 3 h" in one for one in problems_of(writer))
    receive_landing(writer, at=AT - timedelta(minutes=7))
    assert any(
        "clock is ahead of this machine's by at least 7 min" in one for one in problems_of(writer)
    )


def test_what_a_collector_misses_is_known_on_both_sides(collector, writer):
    now = datetime.now(UTC)
    expected_from = now - timedelta(hours=1)
    feed = Feed("okx", "BTC/USDT:USDT", "ohlcv", "BTC", 300, 1, 0, 0, None, expected_from)
    with open_writer(collector) as connection:
        write_feeds(connection, [feed], venues=("okx",), at=now)
        refresh_gaps(connection, expected_from, now, checked_at=now)
    send_landing(collector, at=now)
    receive_landing(writer, at=now)
    for settings in (collector, writer):
        (problem,) = [one for one in problems_of(settings) if "are missing at collector" in one]
        assert problem.startswith("okx: 1")


def test_the_doctor_counts_what_waits(collector, writer, shared):
    land_bars(collector)
    for settings, notes in (
        (collector, ("1 files wait to be sent", "0 files wait to be received")),
        (writer, ("0 files wait to be received",)),
    ):
        report = run_doctor(
            settings.model_copy(update={"venue_url": "http://127.0.0.1:9"}),
            clock=lambda: AT,
            venues=(),
        )
        (one,) = report.examined
        assert (one.venue, one.status, one.notes) == ("shared landing", "fits", notes)
    shared.rmdir()
    (one,) = run_doctor(
        writer.model_copy(update={"venue_url": "http://127.0.0.1:9"}),
        clock=lambda: AT,
        venues=(),
    ).examined
    assert (one.status, one.rows) == ("not checked", 0)
    assert "no such folder" in one.reason


def test_instruments_and_bars_need_no_order(collector, writer):
    instruments = Batch("instrument", table_of("instrument", [instrument_row()]))
    land(instruments, collector.landing, "listed")
    land_bars(collector)
    load(collector)
    load(writer)
    assert rows_of(writer, "select count(*) from staging.stg_instrument") == [(1,)]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff", b"../x\n"])
def test_an_identity_that_a_power_cut_lost_is_made_again(collector, shared, content):
    load(collector)
    (collector.home / "collector_id").write_bytes(content)
    load(collector)
    load(collector)
    names = {path.stem for path in shared.glob("collectors/*")}
    assert len(names) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)


def test_a_report_without_a_card_is_written_again(collector):
    report = {"at": AT.isoformat(), "direction": "sent", "moved_count": 0, "waiting_count": 0}
    (collector.home / "shared_landing.json").write_text(json.dumps(report))
    assert "nothing was sent yet" in read_status(collector, now=AT).problems[-1]
    load(collector)
    assert len(read_transfer_report(collector).cards) == 1


def test_status_stands_files_that_are_sent_meanwhile(collector, monkeypatch):
    load(collector)
    gone = collector.landing / "ohlcv" / "gone.parquet"
    monkeypatch.setattr("jobs.read.transfers.files_to_send", lambda _: [gone])
    assert read_status(collector, now=AT).transfer.waiting_count == 1


def test_a_second_writer_takes_nothing_until_the_first_is_gone(tmp_path, collector, writer, shared):
    load(writer)
    prepare_home(tmp_path / "second")
    second = Settings(home=tmp_path / "second", threads=1, receive_from=str(shared))
    land_bars(collector)
    load(collector)
    load(second)
    (message,) = read_transfer_report(second).messages
    (card,) = shared.glob("writers/*")
    assert f"another home receives here, {socket.gethostname()} ({card.stem[:8]})" in message
    assert f"remove writers/{card.name}" in message
    assert (rows_of(second), len(objects(shared))) == ([(0,)], 1)
    card.unlink()
    load(second)
    assert rows_of(second) == [(3,)]
    load(writer)
    assert "another home receives here" in read_transfer_report(writer).messages[0]
