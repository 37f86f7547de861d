"""Files that are torn, half overwritten or of another form."""

import datetime as dt
import shutil
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.errors import InputRejected
from sources.recorded import find_inputs, import_file, load_mapping
from sources.recorded.mapping import Mapping

INGESTED_AT = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
N_ROWS = 2000


@pytest.fixture
def klines() -> Mapping:
    return load_mapping("binance_archive_klines")


def lines_of(n_rows):
    rng = np.random.default_rng(5)
    close = 60_000 + np.cumsum(rng.normal(0, 20, n_rows))
    return [
        f"{1735689600000 + 3_600_000 * i},{c:.1f},{c + 50:.1f},{c - 50:.1f},{c + 10:.1f},"
        f"{rng.exponential(100):.3f},0,0,{rng.integers(1, 999)},0,0,0"
        for i, c in enumerate(close)
    ]


def zip_of(folder, text, name="BTCUSDT-1h-2026-01.zip", member="BTCUSDT-1h-2026-01.csv"):
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    return path


def refusal(path, mapping):
    with pytest.raises(InputRejected) as caught:
        list(import_file(path, mapping, ingested_at=INGESTED_AT))
    assert path.name in str(caught.value)
    return str(caught.value)


def parquet_of(folder, name="binance_BTC_1h.parquet"):
    start = np.datetime64("2025-01-01", "us")
    rng = np.random.default_rng(3)
    price = 60_000 + rng.normal(0, 10, N_ROWS)
    columns = {
        "timestamp": start + np.arange(N_ROWS) * np.timedelta64(1, "h"),
        **{f"{cell}_perp_binance": price for cell in ("open", "high", "low", "close", "volume")},
        "mark_price_binance": price,
        "funding_rate_raw_binance": np.full(N_ROWS, 1e-4),
        "open_interest_usd_binance": price * 1e5,
    }
    path = folder / name
    pq.write_table(pa.table(columns), path)
    return path


def test_a_zip_cut_short_is_refused(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join([HEADER, *lines_of(N_ROWS)]))
    path.write_bytes(path.read_bytes()[:-3000])
    assert "torn" in refusal(path, klines)


def test_a_zip_half_overwritten_is_refused(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join([HEADER, *lines_of(N_ROWS)]))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    message = refusal(path, klines)
    assert "torn" in message
    assert "fetch it again whole" in message


def test_a_zip_without_csv_is_refused_with_what_is_in_it(tmp_path, klines):
    path = zip_of(tmp_path, "hello", member="readme.txt")
    assert "no CSV file (found: readme.txt)" in refusal(path, klines)


def test_a_file_that_is_no_zip_is_refused(tmp_path, klines):
    path = tmp_path / "BTCUSDT-1h-2026-01.zip"
    path.write_text("<html>404</html>")
    assert "torn or no zip" in refusal(path, klines)


@pytest.mark.parametrize("form", [pa.list_(pa.float64()), pa.struct({"x": pa.float64()})], ids=str)
def test_a_column_of_nested_values_is_refused_by_its_name(tmp_path, form):
    path = parquet_of(tmp_path)
    table = pq.read_table(path)
    place = table.column_names.index("close_perp_binance")
    nested = pa.nulls(table.num_rows, form)
    pq.write_table(table.set_column(place, "close_perp_binance", nested), path)
    message = refusal(path, load_mapping("hourly_binance"))
    assert "column 'close_perp_binance' holds" in message
    assert "give the flat column" in message


def test_a_parquet_file_cut_short_is_refused(tmp_path):
    path = parquet_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    assert "torn or no parquet" in refusal(path, load_mapping("hourly_binance"))


def test_a_parquet_file_half_overwritten_is_refused(tmp_path):
    path = parquet_of(tmp_path)
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = b"\xff" * (len(content) // 2 - 100)
    path.write_bytes(content)
    assert "torn" in refusal(path, load_mapping("hourly_binance"))


def test_a_missing_column_is_refused_with_the_nearest(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join([HEADER.replace("close,v", "Close,v"), *lines_of(3)]))
    message = refusal(path, klines)
    assert "column 'close' is missing; nearest is 'Close'" in message
    assert "Rename it in the mapping" in message


def test_a_missing_column_in_parquet_is_refused_with_the_nearest(tmp_path):
    path = parquet_of(tmp_path)
    table = pq.read_table(path).rename_columns({"mark_price_binance": "mark_binance"})
    pq.write_table(table, path)
    message = refusal(path, load_mapping("hourly_binance"))
    assert "column 'mark_price_binance' is missing; nearest is 'mark_binance'" in message


def test_a_missing_header_that_the_mapping_does_not_know_is_refused(tmp_path):
    path = tmp_path / "BTC_1h_binance_bybit_okx_usd.csv"
    path.write_text("1767225600000,2026-01-01,1,2,3\n")
    message = refusal(path, load_mapping("hourly_liquidations"))
    assert "no header row: list its columns under 'columns'" in message


def test_a_headerless_file_of_another_width_is_refused(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join(line.rsplit(",", 1)[0] for line in lines_of(3)))
    assert "11 columns where the mapping's 'columns' lists 12" in refusal(path, klines)


def test_an_empty_file_is_refused(tmp_path, klines):
    assert "is empty" in refusal(zip_of(tmp_path, ""), klines)


def test_a_header_without_rows_gives_nothing(tmp_path, klines):
    path = zip_of(tmp_path, HEADER + "\n")
    assert list(import_file(path, klines, ingested_at=INGESTED_AT)) == []


def test_a_file_that_is_not_there_or_of_another_form_is_refused(tmp_path, klines):
    path = tmp_path / "BTCUSDT-1h-2026-01.zip"
    assert "no such file" in refusal(path, klines)
    path = tmp_path / "BTCUSDT-1h-2026-01.xlsx"
    path.write_text("x")
    assert "'.xlsx' cannot be imported" in refusal(path, klines)


def test_a_file_name_that_does_not_name_the_instrument_is_refused(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join([HEADER, *lines_of(2)]), name="bitcoin.zip")
    assert "expects '{base}{quote}-{bar}-*'" in refusal(path, klines)


def test_broken_bytes_in_a_line_of_the_wrong_width_spoil_only_that_line(tmp_path, klines):
    good = lines_of(6)
    text = "\n".join([HEADER, *good]).encode()
    start = text.index(good[2].encode())
    path = zip_of(tmp_path, text[:start] + b"1\xb0,\xff,3\n" + text[start:])
    records = {b.kind: b.table for b in import_file(path, klines, ingested_at=INGESTED_AT)}
    assert len(records["ohlcv"]) == 6
    (row,) = records["quarantine"].select(["row_number", "received", "reason"]).to_pylist()
    assert row["row_number"] == 4
    assert row["received"] == "1\N{REPLACEMENT CHARACTER},\N{REPLACEMENT CHARACTER},3"
    assert row["reason"] == "3 cells where the file has 12 columns"


def test_broken_bytes_and_cut_lines_spoil_only_their_rows(tmp_path, klines):
    good = lines_of(6)
    text = "\n".join([HEADER, *good]).encode()
    start = text.index(good[2].encode())
    text = text[:start] + b"\xff\xfe\x00\x00" + text[start + 4 :]
    path = zip_of(tmp_path, text[:-40])
    records = {b.kind: b.table for b in import_file(path, klines, ingested_at=INGESTED_AT)}
    assert len(records["ohlcv"]) == 4
    reasons = records["quarantine"].select(["row_number", "reason"]).to_pylist()
    assert [row["row_number"] for row in reasons] == [4, 7]
    assert reasons[0]["reason"] == "no instant: is the time unit right?"
    assert "cells where the file has 12 columns" in reasons[1]["reason"]


def test_a_column_name_given_twice_is_refused(tmp_path, klines):
    path = zip_of(tmp_path, "\n".join([HEADER.replace("ignore", "close"), *lines_of(3)]))
    assert "column 'close' is there 2 times" in refusal(path, klines)


def test_an_unclosed_quote_is_no_crash(tmp_path, klines):
    good = lines_of(4)
    path = zip_of(tmp_path, "\n".join([HEADER, good[0], '"' + good[1], *good[2:]]))
    try:
        batches = list(import_file(path, klines, ingested_at=INGESTED_AT))
    except InputRejected:
        return
    assert {batch.kind for batch in batches} >= {"quarantine"}


def test_a_folder_is_expanded_by_file_names(tmp_path, klines):
    for folder in ("klines/BTCUSDT/1h", "markPriceKlines/BTCUSDT/1h", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        zip_of(tmp_path / folder, "\n".join([HEADER, *lines_of(2)]))
    (tmp_path / "notes.md").write_text("no data")
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    (tmp_path / "torn.parquet").write_text("PAR1")
    found = find_inputs(tmp_path)
    assert [(path.parent.parent.parent.name, m.name) for path, m in found.matched] == [
        ("klines", "binance_archive_klines"),
        ("markPriceKlines", "binance_archive_mark_klines"),
    ]
    advice = {path.name: text for path, text in found.unmatched}
    assert set(advice) == {"BTCUSDT-1h-2026-01.zip", "mine.csv", "torn.parquet"}
    assert (
        "its columns fit binance_archive_klines, binance_archive_mark_klines"
        in advice["BTCUSDT-1h-2026-01.zip"]
    )
    assert "write a mapping for it" in advice["mine.csv"]
    assert "torn" in advice["torn.parquet"]


def test_a_single_file_is_matched_too(tmp_path):
    path = parquet_of(tmp_path)
    ((found, mapping),) = find_inputs(path).matched
    assert (found, mapping.name) == (path, "hourly_binance")
    copy = tmp_path / "other.parquet"
    shutil.copy(path, copy)
    assert "its columns fit none" in find_inputs(copy).unmatched[0][1]


def test_a_file_that_several_mappings_match_is_listed(tmp_path, klines):
    (tmp_path / "klines").mkdir()
    zip_of(tmp_path / "klines", "x")
    found = find_inputs(tmp_path, [klines, klines])
    assert found.matched == ()
    assert "several mappings match its name" in found.unmatched[0][1]


def test_nothing_to_import_is_refused(tmp_path):
    with pytest.raises(InputRejected, match="no such file or folder"):
        find_inputs(tmp_path / "none")
    with pytest.raises(InputRejected, match=r"no file here ends in \.parquet"):
        find_inputs(tmp_path)
