"""Bad input at the command line: what is wrong is named, good rows are in, exit codes differ."""

import errno
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from workbench import fuzz, stamped

from cli.main import app
from jobs.settings import Settings

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = "symbol,t,o,h,l,c,v,mark,oi"
EVERY = {"ohlcv", "mark_ohlc", "open_interest"}
MAPPING = f"{fuzz.MAPPING}mark_ohlc: {{close: mark}}\n"


def second(hour):
    return int((START + hour * HOUR).timestamp())


def line(hour, **changes):
    cells = {"symbol": "BTCUSDT", "t": second(hour), "o": 100, "h": 110, "l": 90, "c": 105}
    cells |= {"v": 7, "mark": 104, "oi": 50 + hour} | changes
    return ",".join(str(cell) for cell in cells.values())


class Desk:
    """A folder with a mapping, a home, and the command line.

    Parameters
    ----------
    folder : Path
        Holds both.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(home=folder / "home")
        self.mapping = folder / "mine.yaml"
        self.mapping.write_text(MAPPING)

    def run(self, *arguments):
        """Run a command; return its exit code and what it said on stderr."""
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result.exit_code, result.stderr

    def csv(self, *lines, header=HEADER):
        path = self.folder / "bars.csv"
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    def take_in(self, *paths):
        return self.run("import", *paths, "--mapping", self.mapping)

    def rows(self, sql):
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(sql).fetchall()

    def count(self, kind):
        return self.rows(f"select count(*) from raw.{kind}")[0][0]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(tmp_path / "home"))
    # Settings also read an .env file where the command is run.
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path)


@pytest.mark.parametrize(
    ("changes", "kinds", "column", "reason"),
    [
        ({"c": "abc"}, {"ohlcv"}, "c", "not a number"),
        ({"c": "nan"}, {"ohlcv"}, "c", "NaN or infinite"),
        ({"oi": "NaN"}, {"open_interest"}, "oi", "NaN or infinite"),
        ({"oi": -3}, {"open_interest"}, "oi", "negative"),
        ({"oi": 0}, {"open_interest"}, "oi", "zero, taken as missing"),
        ({"o": 0, "l": 0}, {"ohlcv"}, "o", "price not above 0"),
        ({"mark": 0}, {"mark_ohlc"}, "mark", "price not above 0"),
        ({"symbol": "BTC-PERP"}, EVERY, "symbol", "unknown symbol"),
        ({"t": "soon"}, EVERY, "t", "no instant: is the time unit right?"),
        ({"t": 4_102_444_800}, EVERY, "t", "in the future"),
    ],
)
def test_a_bad_row_goes_to_quarantine_and_the_others_land(desk, changes, kinds, column, reason):
    code, said = desk.take_in(desk.csv(line(0), line(1, **changes), line(2)))
    assert code == 1
    assert f"set aside {len(kinds)}: {reason} (bars.csv, row 3, column {column})" in said
    assert "quality.quarantine" in said
    found = desk.rows(
        "select kind, input_name, row_number, column_name, reason, received from quality.quarantine"
    )
    assert {row[0] for row in found} == kinds
    for row in found:
        assert row[1:5] == ("bars.csv", 3, column, reason)
        assert f"{column}={changes[column]}" in row[5]
    for kind in EVERY:
        assert desk.count(kind) == (2 if kind in kinds else 3)


def test_bars_may_come_in_any_order_and_of_one_instant_the_last_counts(desk):
    lines = [line(2), line(0), line(1, v=5), line(1, v=6), line(0)]
    code, said = desk.take_in(desk.csv(*lines))
    assert code == 1
    assert "set aside 1: contradicted by a later row of the same instant" in said
    assert desk.rows("select kind, row_number from quality.quarantine") == [("ohlcv", 4)]
    bars = desk.rows("select bar_start_at, volume_quantity from raw.ohlcv order by all")
    assert [at.replace(tzinfo=UTC) for at, _ in bars] == [START, START + HOUR, START + 2 * HOUR]
    assert [volume for _, volume in bars] == [7, 6, 7]


FUNDING = """
description: Funding with the interval its source states
venue: binance
instrument: {unified: "{base}/{quote}:{quote}", column: symbol, column_pattern: "{base}{quote}"}
time: {column: t, unit: seconds}
funding_rate: {rate: rate, rate_unit: ratio, interval_hours: {column: hours}}
"""


def funding(desk, *rows):
    """Take in payments (hour, interval); return (received interval, interval, 8-hour rate)."""
    desk.mapping.write_text(FUNDING)
    lines = [f"BTCUSDT,{second(hour)},0.0001,{interval}" for hour, interval in rows]
    code, _ = desk.take_in(desk.csv(*lines, header="symbol,t,rate,hours"))
    assert code == 0
    return desk.rows(
        "select received_interval_hours, funding_interval_hours, funding_rate_8h_ratio "
        "from intermediate.int_funding_rate order by funded_at"
    )


@pytest.mark.parametrize(("hours", "received"), [("", None), (0, 0.0), (37, 37.0)])
def test_the_funding_interval_is_the_spacing_of_payments_where_none_or_an_impossible_one_is_given(
    desk, hours, received
):
    found = funding(desk, *((hour, hours) for hour in (0, 4, 8, 12)))
    assert found == [(received, 4.0, pytest.approx(0.0002))] * 4


def test_a_payment_of_unknown_interval_is_kept_without_an_8_hour_rate(desk):
    assert funding(desk, (0, 37)) == [(37.0, None, None)]


def test_a_mapping_with_an_interval_no_venue_uses_is_refused(desk):
    desk.mapping.write_text(FUNDING.replace("{column: hours}", "37"))
    code, said = desk.take_in(desk.csv(f"BTCUSDT,{second(0)},0.0001", header="symbol,t,rate"))
    assert code == 1
    assert "interval_hours: expected 1, 2, 4 or 8, got 37" in said


def torn_parquet(desk):
    path = desk.folder / "torn.parquet"
    pq.write_table(pa.table({"symbol": ["BTCUSDT"]}), path)
    path.write_bytes(path.read_bytes()[:-20])
    return path


def empty_csv(desk):
    path = desk.folder / "empty.csv"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (torn_parquet, ["torn.parquet", "torn", "fetch it again"]),
        (empty_csv, ["empty.csv", "empty", "fetch it again"]),
        (
            lambda desk: desk.csv(line(0), header=HEADER.replace(",oi", ",held")),
            ["bars.csv", "'oi'", "nearest", "mapping"],
        ),
        (
            lambda desk: desk.csv(line(0), header=HEADER.replace("symbol", "symbols")),
            ["bars.csv", "'symbol'", "'symbols'", "mapping"],
        ),
        (lambda desk: desk.folder / "absent.csv", ["absent.csv", "no such"]),
    ],
)
def test_an_unusable_file_is_named_with_the_next_step_and_nothing_of_it_lands(desk, make, words):
    code, said = desk.take_in(make(desk))
    assert code == 1
    for word in words:
        assert word in said
    assert not list(desk.settings.landing.rglob("*.parquet"))


def test_an_unusable_file_costs_only_itself(desk):
    code, said = desk.take_in(torn_parquet(desk), desk.csv(line(0)))
    assert code == 1
    assert "rejected: torn.parquet" in said
    assert desk.count("ohlcv") == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (", volume_unit: base", "", ["mine.yaml", "volume_unit", "contracts"]),
        (", amount_unit: base", "", ["mine.yaml", "amount_unit", "contracts"]),
        ("volume_unit: base", "volume_unit: coins", ["mine.yaml", "volume_unit", "coins", "base"]),
        ("amount: oi", "ammount: oi", ["mine.yaml", "'ammount'", "'amount'"]),
    ],
)
def test_a_mapping_that_says_too_little_or_the_unknown_is_refused(desk, old, new, words):
    desk.mapping.write_text(MAPPING.replace(old, new))
    code, said = desk.take_in(desk.csv(line(0)))
    assert code == 1
    for word in words:
        assert word in said


def test_an_unknown_mapping_is_answered_with_the_nearest(desk):
    code, said = desk.run("import", desk.csv(line(0)), "--mapping", "hourly_binanse")
    assert code == 1
    assert "'hourly_binanse'" in said
    assert "nearest is 'hourly_binance'" in said


def test_a_file_that_no_mapping_matches_is_named(desk):
    code, said = desk.run("import", desk.csv(line(0)))
    assert code == 1
    assert "bars.csv" in said
    assert "mapping" in said


def test_a_landing_file_changed_after_it_was_loaded_is_refused_and_its_rows_stay(desk, caplog):
    assert desk.take_in(desk.csv(line(0), line(1)))[0] == 0
    (path,) = (desk.settings.landing / "ohlcv").glob("*.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    code, _ = desk.run("build", "--as-of", "2026-03-01T02:00")
    assert code == 1
    assert f"ohlcv/{path.name}: changed after it was loaded" in caplog.text
    assert desk.count("ohlcv") == 2


def test_a_landing_file_torn_before_it_was_loaded_costs_only_itself(desk, caplog):
    assert desk.take_in(desk.csv(line(0)))[0] == 0
    (path,) = (desk.settings.landing / "ohlcv").glob("*.parquet")
    later = stamped(pq.read_table(path), START + 9 * HOUR)
    pq.write_table(later, path.with_name("whole.parquet"))
    path.with_name("torn.parquet").write_bytes(path.read_bytes()[:-20])
    code, _ = desk.run("build", "--as-of", "2026-03-01T02:00")
    assert code == 1
    assert "torn.parquet: not a complete Parquet file" in caplog.text
    assert "ingest its source again" in caplog.text
    assert desk.count("ohlcv") == 2


def test_open_interest_that_moves_more_than_was_traded_lands_and_is_counted(desk):
    lines = [line(hour, oi=50 + 100 * (hour == 2)) for hour in range(4)]
    assert desk.take_in(desk.csv(*lines))[0] == 0
    assert desk.run("build", "--as-of", "2026-03-01T04:00")[0] == 0
    assert desk.run("publish", "--as-of", "2026-03-01T04:00")[0] == 0
    with duckdb.connect(str(desk.settings.published / "liqheat.duckdb"), read_only=True) as db:
        counted = db.execute(
            "select hour(as_of), violation_count "
            "from marts.series_books_hourly where provider = 'turnover' order by all"
        ).fetchall()
    # Up at the end of the third hour, down again at the end of the fourth.
    assert {hour for hour, count in counted if count} == {3, 4}


def test_a_full_disk_is_an_error_and_the_same_command_goes_on_when_there_is_room(desk, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = desk.csv(line(0))
    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        code, said = desk.take_in(path)
    assert code == 1
    assert "no room on the disk" in said
    assert "run the same command again" in said
    assert not [left for left in desk.settings.landing.rglob("*") if left.is_file()]
    assert desk.take_in(path)[0] == 0
    assert desk.count("ohlcv") == 1


def test_asking_before_anything_is_published_says_what_to_run(desk):
    for command in (["query", "select 1"], ["plot", "BTC"]):
        code, said = desk.run(*command)
        assert code == 1
        assert "liqheat.duckdb is not there; run `liqheat run`" in said


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("selekt 1", "selekt"),
        ("select nothing from marts.data_gaps", "nothing"),
        ("from marts.data_gap", "data_gaps"),
        ("delete from quality.quarantine", "this is DELETE"),
        ("create table mine as select 1", "this is CREATE"),
        ("select 1/", "syntax"),
    ],
)
def test_a_bad_statement_is_refused_and_nothing_is_written(
    desk, small_home, monkeypatch, sql, said
):
    monkeypatch.setenv("LIQHEAT_HOME", str(small_home))
    code, error = desk.run("query", sql)
    assert code == 1
    assert error.startswith("error: ")
    assert said in error


def test_an_unknown_asset_is_answered_with_those_there_are(desk, small_home, monkeypatch):
    monkeypatch.setenv("LIQHEAT_HOME", str(small_home))
    code, said = desk.run("plot", "NOPE", "--output", desk.folder / "page.html")
    assert code == 1
    assert "NOPE" in said
    assert "BTC" in said
    assert not (desk.folder / "page.html").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["plot", "BTC", "--days", "0"],
        ["build", "--as-of", "yesterday"],
        ["query", "select 1", "--format", "xml"],
        ["tables", "marts.nothing"],
        ["nothing"],
    ],
)
def test_wrong_usage_ends_with_two(desk, arguments):
    assert desk.run(*arguments)[0] == 2


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: None])
@pytest.mark.parametrize(
    "command",
    [
        ["import-brackets", "--venue", "binance", "--valid-from", "2026-01-01"],
        ["import-provider", "coinank"],
    ],
)
def test_what_is_no_file_is_refused_in_words_and_not_waited_for(desk, command, make):
    path = desk.folder / "saved.json"
    make(path)
    code, said = desk.run(*command, path)
    assert code == 1
    assert "Please report it" not in said
    assert re.search("not a regular file|cannot be read", said)


LIQHEAT = [sys.executable, "-c", "from cli.main import app; app()"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "command", ["--help", "tables", "tables --markdown", "status --format json"]
)
def test_an_output_that_cannot_be_written_is_named_in_one_line(tmp_path, command, unbuffered):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*LIQHEAT, *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={
                **os.environ,
                "LIQHEAT_HOME": str(tmp_path),
                "PYTHONUNBUFFERED": unbuffered,
            },
        )
    assert (ended.returncode, ended.stderr) == (1, "error: No space left on device\n")


def test_a_reader_of_a_pipe_may_leave_without_a_word():
    shell = '"$@" tables --markdown | true; echo ${PIPESTATUS[0]}'
    ended = subprocess.run(
        ["bash", "-c", shell, "bash", *LIQHEAT], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_closed_streams_take_nothing_and_fail_nothing():
    """Files opened later must not get the numbers of the streams."""
    shell = '"$@" tables <&- >&- 2>&-; echo $?'
    ended = subprocess.run(
        ["bash", "-c", shell, "bash", *LIQHEAT], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "0\n"
