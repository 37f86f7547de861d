"""The doctor's report holds no secret; archive, spot markets and the command have their part."""

import datetime as dt
import json
from collections import Counter

import pytest
from click.testing import CliRunner
from standin import serving
from standin.archive import Archive
from typer.main import get_command
from workbench.altered import scaled
from workbench.live import instant

from cli import health
from cli.main import app
from jobs.collect import doctor
from jobs.collect.doctor_report import write_report
from jobs.settings import Settings
from sources.errors import VenueRejected
from sources.quotes import QUOTE_MARKETS, parse_quote_rates


def test_no_secret_is_in_a_report(examine, tmp_path):
    keys = {"binance": {"api_key": "key-of-mine", "secret": "secret-of-mine"}}
    report = examine("binance", keys=keys)
    (brackets,) = [one for one in report.examined if one.kind == "leverage_bracket"]
    assert brackets.status == "fits"
    assert "signature=***" in brackets.exchanges[0].request
    write_report(report, tmp_path / "report.json")
    written = (tmp_path / "report.json").read_text()
    assert "of-mine" not in written
    assert json.loads(written)["versions"].keys() == {"liqheat", "ccxt", "python", "platform"}


def test_a_file_of_the_archive_is_verified(examine, standin):
    day = (instant(standin.now) - dt.timedelta(days=4)).date()
    path = f"data/futures/um/daily/klines/BTCUSDT/5m/BTCUSDT-5m-{day}.zip"
    with serving(Archive(standin.market, today=instant(standin.now).date())) as archive:
        for fault, status, words in (
            (None, "fits", ""),
            ("missing", "differs", f"{path} is not published"),
            ("wrong_checksum", "not checked", "wrong checksum, twice"),
        ):
            archive.faults = {} if fault is None else {path: (fault, -1)}
            (one,) = examine(archive_url=archive.base_url).examined
            assert (one.venue, one.status) == ("archive", status), one
            said = [difference.words for difference in one.differences] or [one.reason or ""]
            assert words in said[0]
            if status == "differs":
                assert "sources/archives/binance.py" in said[0]


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        (lambda hour: [hour, "1", "1", "1", "1.0002"], "fits", ""),
        (lambda hour: [hour, "1", "1", "1", "70000"], "differs", "the price of another pair?"),
        (lambda hour: [hour * 1000, "1", "1", "1", "1"], "differs", "no instant in s"),
        (lambda hour: [hour - 90 * 86_400, "1", "1", "1", "1"], "differs", "none of the last six"),
    ],
)
def test_prices_of_stablecoins_are_held_against_their_declaration(
    examine, monkeypatch, make, status, words
):
    market = QUOTE_MARKETS[0]

    async def answer(market, *, since, until, now, base_url):
        rows = [make(int(since.timestamp()) + 3600 * n) for n in range(6)]
        body = json.dumps({"result": {market.rows[1]: rows}}).encode()
        return parse_quote_rates(body, market, since=since, until=until, now=now)

    monkeypatch.setattr(doctor, "QUOTE_MARKETS", (market,))
    monkeypatch.setattr(doctor, "fetch_quote_rates", answer)
    (one,) = examine(quotes_url="http://unused").examined
    assert one.status == status
    assert words in "".join(difference.words for difference in one.differences)


def test_archive_and_spot_markets_out_of_reach_are_not_checked(examine, standin):
    report = examine(archive_url="http://127.0.0.1:9", quotes_url=standin.base_url)
    kinds = Counter((one.kind.partition(" ")[0], one.status) for one in report.examined)
    assert kinds == {("klines", "not checked"): 1, ("quote", "not checked"): 5}
    assert all("127.0.0.1" in line for line in report.lines())


def test_the_command_writes_a_report_and_fails_where_anything_differs(
    standin, monkeypatch, tmp_path, without_pacing
):
    monkeypatch.setattr(health, "now", lambda: instant(standin.now))
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIQHEAT_VENUE_URL", standin.base_url)
    command = get_command(app)
    fine = CliRunner().invoke(command, ["doctor", "--venue", "Binance", "--format", "json"])
    assert fine.exit_code == 0, fine.output
    assert {row["result"] for row in json.loads(fine.stdout)} == {"fits", "left out"}
    (path,) = (tmp_path / "home").iterdir()
    assert {one["status"] for one in json.loads(path.read_text())["examined"]} == {
        "fits",
        "left out",
    }
    standin.faults.add("altered", venue="binance", endpoint="candles", alter=scaled(2, 0.5))
    try:
        report = tmp_path / "report.json"
        wrong = CliRunner().invoke(
            command, ["doctor", "--venue", "binance", "--report", str(report)]
        )
    finally:
        standin.faults.clear()
    assert wrong.exit_code == 1
    assert "differs: binance ohlcv BTC/USDT:USDT: high: high below low" in wrong.stderr
    lines = json.loads(report.read_text())["lines"]
    assert lines
    assert all(line in wrong.stderr for line in lines)


def test_a_venue_nobody_declares_is_named(tmp_path):
    with pytest.raises(VenueRejected, match="no venue is called 'ftx'"):
        doctor.venues_to_examine(Settings(home=tmp_path), ["ftx"])
