"""What is written is data: no markup is read in it, no value lost, no escape sequence printed."""

import csv
import io
import json
import math
import sys
from datetime import UTC, datetime

import pytest

from cli.output import TABLE_ROWS, Format, print_table, write_rows

COLUMNS = ("a", "a", "nested", "text")
ROWS = [
    (
        1.5,
        math.nan,
        {"at": datetime(2026, 1, 1, tzinfo=UTC), "values": [1, math.inf, None]},
        "[/x] :x: \x1b[2J\x07 BTC/USDT:USDT",
    )
]


def test_a_table_shows_text_as_it_is(capsys):
    write_rows(COLUMNS, ROWS, Format.table)
    shown = capsys.readouterr().out
    assert "[/x] :x: \\x1b[2J\\x07 BTC/USDT:USDT" in shown
    assert "\x1b" not in shown


def test_a_table_keeps_names_of_emoji_and_markup_in_headers(capsys):
    write_rows(("':x: [open, high]'", "[bold]b"), [(1, 2)], Format.table)
    assert "':x: [open, high]'  [bold]b" in capsys.readouterr().out


def test_json_is_valid_and_keeps_every_column(capsys):
    write_rows(COLUMNS, ROWS, Format.json)

    def refuse(name):
        pytest.fail(f"{name} is not JSON")

    (row,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert row == {
        "a": 1.5,
        "a_1": None,
        "nested": {"at": "2026-01-01T00:00:00Z", "values": [1, None, None]},
        "text": ROWS[0][3],
    }


def test_csv_carries_nested_values_as_json(capsys):
    write_rows(COLUMNS, ROWS, Format.csv)
    header, row = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["a", "a_1", "nested", "text"]
    assert row[:2] == ["1.5", ""]
    assert json.loads(row[2]) == {"at": "2026-01-01T00:00:00Z", "values": [1, None, None]}
    assert row[3] == ROWS[0][3]


def test_csv_is_exact_in_a_file_and_escaped_on_a_terminal(capsys, monkeypatch):
    write_rows(("a\x1b", "b"), [("\x1b[2J\x07", [{"c": "\x9b"}])], Format.csv)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["a\x1b", "b"],
        ["\x1b[2J\x07", '[{"c": "\x9b"}]'],
    ]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    write_rows(("a\x1b", "b"), [("\x1b[2J\x07", [{"c": "\x9b"}])], Format.csv)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["a\\x1b", "b"],
        ["\\x1b[2J\\x07", '[{"c": "\\x9b"}]'],
    ]


def test_a_table_for_the_eye_escapes_too(capsys):
    print_table("t", [{"a": "\x1b[2J"}], words=("a",), notes=["\x1b]0;x\x07"])
    shown = capsys.readouterr().out
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_a_table_ends_where_nobody_reads_on_and_says_so(capsys):
    write_rows(("n",), ((n,) for n in range(TABLE_ROWS + 1)), Format.table)
    shown = capsys.readouterr()
    assert shown.out.split()[-1] == f"{TABLE_ROWS - 1}"
    assert "only the first 10,000 rows: `--format csv`" in shown.err


def test_a_whole_table_says_nothing_more(capsys):
    write_rows(("n",), [(1,)], Format.table)
    assert capsys.readouterr().err == ""


def test_brackets_in_figures_and_notes_are_shown(capsys):
    print_table(
        "BTC [all]",
        [{"model": "turnover", "gain": "4 % [red]"}],
        words=("model",),
        notes=["leaves 4 % less [less by -3 to 10 %]."],
    )
    shown = capsys.readouterr().out
    assert "[all]" in shown
    assert "4 % [red]" in shown
    assert "leaves 4 % less [less by -3 to 10 %]." in shown
