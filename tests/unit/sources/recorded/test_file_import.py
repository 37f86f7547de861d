"""From rows of a file to records and quarantine, on small files made here."""

import datetime as dt
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workbench.recorded_files import (
    HEADER,
    HOUR,
    INGESTED_AT,
    START,
    csv_of,
    hour,
    line,
    mapping_of,
    run,
)

from sources.errors import InputRejected
from sources.recorded import load_mapping


def test_one_file_gives_several_kinds(tmp_path):
    records = run(csv_of(tmp_path, [line(0), line(1)]), mapping_of(tmp_path))
    assert list(records) == ["instrument", "ohlcv", "mark_ohlc", "open_interest"]
    assert records["ohlcv"][1] == {
        "venue": "binance",
        "instrument": "BTC/USDT:USDT",
        "bar_start_at": START + HOUR,
        "bar_seconds": 3600,
        "open": 100.0,
        "high": 110.0,
        "low": 90.0,
        "close": 105.0,
        "volume_quantity": 7.0,
        "taker_buy_quantity": None,
        "trade_count": None,
        "source": "recorded:mine",
        "ingested_at": INGESTED_AT,
    }
    assert records["mark_ohlc"][0]["mark_close"] == 104.0
    assert records["mark_ohlc"][0]["mark_high"] is None
    assert records["open_interest"][1]["observed_at"] == START + HOUR
    assert records["open_interest"][1]["received_amount_unit"] == "base"
    assert records["instrument"] == [
        {
            "venue": "binance",
            "instrument": "BTC/USDT:USDT",
            "asset": "BTC",
            "quote": "USDT",
            "contract_kind": "linear",
            "contract_size": 1.0,
            "base_multiplier": 1.0,
            "tick_size": None,
            "lot_quantity": None,
            "is_active": True,
            "observed_at": START,
            "source": "recorded:mine",
            "ingested_at": INGESTED_AT,
        }
    ]


@pytest.mark.parametrize(
    ("changes", "kinds", "column", "reason"),
    [
        ({"c": "abc"}, {"ohlcv"}, "c", "not a number"),
        ({"c": "1,05".replace(",", "_")}, {"ohlcv"}, "c", "not a number"),
        ({"c": "nan"}, {"ohlcv"}, "c", "NaN or infinite"),
        ({"v": "inf"}, {"ohlcv"}, "v", "NaN or infinite"),
        ({"c": ""}, {"ohlcv"}, "c", "missing"),
        ({"o": 0, "l": 0}, {"ohlcv"}, "o", "price not above 0"),
        ({"l": -1}, {"ohlcv"}, "l", "price not above 0"),
        ({"h": 80}, {"ohlcv"}, "h", "high below low"),
        ({"o": 111}, {"ohlcv"}, "o", "outside low to high"),
        ({"c": 89}, {"ohlcv"}, "c", "outside low to high"),
        ({"v": -1}, {"ohlcv"}, "v", "negative"),
        ({"mark": 0}, {"mark_ohlc"}, "mark", "price not above 0"),
        ({"oi": 0}, {"open_interest"}, "oi", "zero, taken as missing"),
        ({"oi": -3}, {"open_interest"}, "oi", "negative"),
        ({"oi": "NaN"}, {"open_interest"}, "oi", "NaN or infinite"),
        ({"symbol": "BTC-PERP"}, "all", "symbol", "unknown symbol"),
        ({"symbol": ""}, "all", "symbol", "missing"),
        ({"t": "soon"}, "all", "t", "no instant: is the time unit right?"),
        ({"t": ""}, "all", "t", "missing"),
        ({"t": 1e30}, "all", "t", "no instant: is the time unit right?"),
        ({"t": 1.7e6}, "all", "t", "before 2016: is the time unit right?"),
        ({"t": hour(1) + 60}, {"ohlcv", "mark_ohlc"}, "t", "not on the grid of bars"),
        ({"t": hour(24 * 30)}, {"ohlcv", "mark_ohlc"}, "t", "in the future"),
        ({"t": hour(24 * 30 + 1)}, "all", "t", "in the future"),
    ],
)
def test_a_row_that_cannot_be_used_is_quarantined_and_the_others_land(
    tmp_path, changes, kinds, column, reason
):
    lines = [line(0), line(1, **changes), line(2)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path))
    every = ("ohlcv", "mark_ohlc", "open_interest")
    hit = set(every) if kinds == "all" else kinds
    assert {row["kind"] for row in records["quarantine"]} == hit
    for kind in every:
        assert len(records[kind]) == (2 if kind in hit else 3)
    for row in records["quarantine"]:
        assert (row["row_number"], row["column_name"], row["reason"]) == (3, column, reason)
        assert row["input_name"] == "bars.csv"
        assert f"{column}={changes.get(column, '')}" in row["received"]


def test_an_unfinished_bar_is_quarantined_and_its_snapshot_lands(tmp_path):
    records = run(
        csv_of(tmp_path, [line(0), line(1)]),
        mapping_of(tmp_path),
        ingested_at=START + HOUR + HOUR / 2,
    )
    assert len(records["ohlcv"]) == 1
    assert len(records["open_interest"]) == 2
    assert {row["reason"] for row in records["quarantine"]} == {"bar not finished"}


def test_a_change_of_open_interest_above_the_volume_is_not_refused(tmp_path):
    records = run(csv_of(tmp_path, [line(0), line(1, oi=10_000)]), mapping_of(tmp_path))
    assert [row["open_interest_quantity"] for row in records["open_interest"]] == [50.0, 10_000.0]
    assert "quarantine" not in records


def test_empty_cells_of_a_kind_give_no_record_of_it(tmp_path):
    empty = {"o": "", "h": "", "l": "", "c": "", "v": ""}
    records = run(csv_of(tmp_path, [line(0, **empty), "", line(1, oi="")]), mapping_of(tmp_path))
    assert "quarantine" not in records
    assert [row["bar_start_at"] for row in records["ohlcv"]] == [START + HOUR]
    assert [row["observed_at"] for row in records["open_interest"]] == [START]
    assert len(records["mark_ohlc"]) == 2


def test_rows_come_out_in_order_and_row_numbers_are_lines_of_the_file(tmp_path):
    lines = [line(3), line(1), "", "a,b", line(0, symbol="ETHUSDT"), line(2, c="x"), line(0)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path))
    keys = [(row["instrument"], row["bar_start_at"]) for row in records["ohlcv"]]
    assert keys == [
        ("BTC/USDT:USDT", START),
        ("BTC/USDT:USDT", START + HOUR),
        ("BTC/USDT:USDT", START + 3 * HOUR),
        ("ETH/USDT:USDT", START),
    ]
    bad = {(row["row_number"], row["kind"]): row["reason"] for row in records["quarantine"]}
    assert bad[(7, "ohlcv")] == "not a number"
    assert bad[(5, "ohlcv")] == "2 cells where the file has 9 columns"
    assert len(bad) == 4


def test_of_duplicates_the_last_counts_and_contradicted_ones_are_quarantined(tmp_path):
    lines = [line(0, oi=1), line(1), line(0, oi=2), line(1), line(0, oi=2)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path))
    assert [row["open_interest_quantity"] for row in records["open_interest"]] == [2.0, 51.0]
    assert len(records["ohlcv"]) == 2
    (row,) = records["quarantine"]
    assert row["kind"] == "open_interest"
    assert row["row_number"] == 2
    assert row["reason"] == "contradicted by a later row of the same instant"
    assert "oi=1" in row["received"]


def test_an_unusable_duplicate_does_not_displace_a_usable_row(tmp_path):
    records = run(csv_of(tmp_path, [line(0), line(0, oi="?")]), mapping_of(tmp_path))
    assert records["open_interest"][0]["open_interest_quantity"] == 50.0


def test_the_wanted_span_bounds_records_and_quarantine(tmp_path):
    lines = [line(0, c="x"), line(1), line(2, c="x"), line(3), line(4, c="x")]
    records = run(
        csv_of(tmp_path, lines),
        mapping_of(tmp_path),
        start=START + HOUR,
        end=START + 3 * HOUR,
    )
    assert [row["bar_start_at"] for row in records["ohlcv"]] == [START + HOUR]
    assert [row["row_number"] for row in records["quarantine"]] == [4]
    assert records["instrument"][0]["observed_at"] == START + HOUR


def test_wide_files_are_read_by_column_names(tmp_path):
    mapping = mapping_of(
        tmp_path,
        instrument={
            "unified": "{base}/{quote}:{quote}",
            "column_name": "{base}{quote}.{field}",
        },
        ohlcv=None,
        mark_ohlc=None,
        bar=None,
        time={"column": "t", "unit": "datetime"},
        open_interest={"amount": "oi", "amount_unit": "base", "shift": "1d"},
    )
    lines = ["2026-01-01,1,2,9", "2026-01-02,3,,9"]
    path = csv_of(tmp_path, lines, header="t,BTCUSDT.oi,ETHUSDT.oi,ETHUSDT.close")
    records = run(path, mapping)
    found = [
        (row["instrument"], row["observed_at"], row["open_interest_quantity"])
        for row in records["open_interest"]
    ]
    day = dt.timedelta(days=1)
    assert found == [
        ("BTC/USDT:USDT", START + day, 1.0),
        ("BTC/USDT:USDT", START + 2 * day, 3.0),
        ("ETH/USDT:USDT", START + day, 2.0),
    ]
    with pytest.raises(InputRejected, match="no column is spelled"):
        run(csv_of(tmp_path, ["2026-01-01,1"], header="t,BTCUSDT_oi"), mapping)


def test_a_wide_file_with_half_an_instrument_is_refused(tmp_path):
    mapping = mapping_of(
        tmp_path,
        instrument={"unified": "{base}/{quote}:{quote}", "column_name": "{base}{quote}.{field}"},
        ohlcv=None,
        mark_ohlc=None,
        bar=None,
        time={"column": "t", "unit": "datetime"},
        open_interest={"amount": "oi", "amount_unit": "base", "value": "usd", "value_unit": "usd"},
    )
    path = csv_of(tmp_path, ["2026-01-01,1"], header="t,BTCUSDT.oi")
    with pytest.raises(InputRejected, match="BTCUSDT has columns for oi but none for usd"):
        run(path, mapping)


def test_the_venue_may_be_a_column_and_rows_may_be_left_out(tmp_path):
    mapping = mapping_of(tmp_path, venue={"column": "symbol"}, where={"symbol": ["BTCUSDT"]})
    records = run(csv_of(tmp_path, [line(0), line(0, symbol="ETHUSDT"), line(1)]), mapping)
    assert {row["venue"] for row in records["ohlcv"]} == {"btcusdt"}
    assert len(records["ohlcv"]) == 2
    assert "quarantine" not in records


@pytest.mark.parametrize(
    ("unit", "cell"),
    [
        ("milliseconds", "1767225600000"),
        ("milliseconds", "1767225600000.0"),
        ("microseconds", "1767225600000000"),
        ("nanoseconds", "1767225600000000000"),
        ("datetime", "2026-01-01"),
        ("datetime", "2026-01-01 00:00:00"),
        ("datetime", "2026-01-01T00:00:00.000Z"),
        ("datetime", "2026-01-01T02:00:00+02:00"),
    ],
)
def test_instants_are_read_in_the_unit_named(tmp_path, unit, cell):
    mapping = mapping_of(tmp_path, time={"column": "t", "unit": unit, "label": "bar_open"})
    records = run(csv_of(tmp_path, [line(0, t=cell), line(0, t=f" {cell} ")]), mapping)
    assert [row["bar_start_at"] for row in records["ohlcv"]] == [START]
    assert "quarantine" not in records


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_parquet_timestamps_are_read_as_utc(tmp_path, unit, zone):
    cells = {name: [1.0] for name in ("o", "h", "l", "c", "v", "mark", "oi")}
    time = pa.array([int(START.timestamp())], pa.int64()).cast(pa.timestamp("s", zone))
    table = pa.table({"symbol": ["BTCUSDT"], "t": time.cast(pa.timestamp(unit, zone)), **cells})
    path = tmp_path / "bars.parquet"
    pq.write_table(table, path)
    mapping = mapping_of(tmp_path, time={"column": "t", "unit": "datetime", "label": "bar_open"})
    assert run(path, mapping)["ohlcv"][0]["bar_start_at"] == START


def test_stamps_that_jitter_are_rounded(tmp_path):
    time = {"column": "t", "unit": "milliseconds", "label": "bar_open", "round_to": "1m"}
    lines = [line(0, t=1767225600012), line(1, t=1767229199995)]
    records = run(csv_of(tmp_path, lines), mapping_of(tmp_path, time=time))
    assert [row["bar_start_at"] for row in records["ohlcv"]] == [START, START + HOUR]


@pytest.mark.parametrize("header", [HEADER, None])
def test_a_header_row_may_be_missing_where_the_mapping_lists_columns(tmp_path, header):
    mapping = mapping_of(tmp_path, columns=HEADER.split(","))
    records = run(csv_of(tmp_path, [line(0), line(1, c="x")], header=header), mapping)
    assert len(records["ohlcv"]) == 1
    assert records["quarantine"][0]["row_number"] == (3 if header else 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": {"column": "t", "unit": "milliseconds", "label": "bar_open"}}, "before 2016"),
        ({"time": {"column": "t", "unit": "datetime", "label": "bar_open"}}, "no instant"),
        ({"time": {"column": "symbol", "unit": "datetime", "label": "bar_open"}}, "no instant"),
    ],
)
def test_a_file_whose_every_time_the_mapping_misreads_is_refused(tmp_path, changes, message):
    path = csv_of(tmp_path, [line(n) for n in range(700)])
    # A few such rows may be the file's fault, many are not.
    assert "ohlcv" not in run(path, mapping_of(tmp_path, **changes))
    path = csv_of(tmp_path, [line(n) for n in range(1500)])
    with pytest.raises(InputRejected, match=f"none of 1500 rows has a usable time .* {message}"):
        run(path, mapping_of(tmp_path, **changes))


def test_a_file_from_the_future_goes_to_quarantine_row_by_row(tmp_path):
    path = csv_of(tmp_path, [line(n) for n in range(1500)])
    records = run(path, mapping_of(tmp_path), ingested_at=START - 3 * HOUR)
    assert list(records) == ["quarantine"]
    assert len(records["quarantine"]) == 3 * 1500


def test_a_zip_may_hold_several_csv_files(tmp_path):
    path = tmp_path / "bars.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.csv", f"{HEADER}\n{line(1, c='x')}\n")
        archive.writestr("__MACOSX/._b.csv", "rubbish")
        archive.writestr("a.csv", f"{HEADER}\n{line(0)}\n")
        archive.writestr("readme.txt", "rubbish")
    records = run(path, mapping_of(tmp_path))
    assert len(records["ohlcv"]) == 1
    assert records["quarantine"][0]["input_name"] == "bars.zip!b.csv"
    assert records["quarantine"][0]["row_number"] == 2


def test_a_naive_time_of_import_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no time zone"):
        run(
            csv_of(tmp_path, [line(0)]),
            mapping_of(tmp_path),
            ingested_at=INGESTED_AT.replace(tzinfo=None),
        )


def test_prices_may_come_from_a_file_in_the_folder(tmp_path):
    bars = pa.table(
        {
            "timestamp": [START],
            "venue": ["hyperliquid"],
            "coin": ["BTC"],
            **{cell: [100.0] for cell in ("o", "c", "v")},
            "h": [120.0],
            "l": [100.0],
        }
    )
    held = pa.table(
        {"timestamp": [START], "venue": ["hyperliquid"], "coin": ["BTC"], "oi_usd": [2200.0]}
    )
    path = tmp_path / "dex_open_interest.parquet"
    pq.write_table(held, path)
    mapping = load_mapping("dex_open_interest")
    with pytest.raises(InputRejected, match="there is none in"):
        run(path, mapping)
    pq.write_table(bars, tmp_path / "dex_candles.parquet")
    (row,) = run(path, mapping)["open_interest"]
    assert row["observed_at"] == START + HOUR
    # The venue counts both sides, and the mapping leaves it at that.
    assert row["open_interest_quantity"] == pytest.approx(10)
    assert row["sides_counted"] == 2


CELLS = st.sampled_from(["", "0", "-1", "1", "100", "95.5", "nan", "x", "1e400", " 100 "])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 6), *[CELLS] * 7), max_size=25),
    order=st.randoms(use_true_random=False),
)
def test_every_row_is_a_record_or_in_quarantine_or_a_repeat(tmp_path_factory, rows, order):
    folder = tmp_path_factory.mktemp("rows")
    mapping = mapping_of(folder)
    names = ("o", "h", "l", "c", "v", "mark", "oi")
    lines = [line(n, **dict(zip(names, cells, strict=True))) for n, *cells in rows]
    records = run(csv_of(folder, lines), mapping)
    observed = {"ohlcv": slice(0, 5), "mark_ohlc": slice(5, 6), "open_interest": slice(6, 7)}
    for kind, cells in observed.items():
        n_observed = sum(any(cell.strip() for cell in row[1:][cells]) for row in rows)
        landed = records.get(kind, [])
        quarantined = [row for row in records.get("quarantine", []) if row["kind"] == kind]
        keys = [(row["venue"], row["instrument"], _instant(row)) for row in landed]
        assert len(set(keys)) == len(keys)
        assert keys == sorted(keys)
        assert len(landed) + len(quarantined) <= n_observed
        # Only repeats of a row that landed are neither.
        n_repeats = n_observed - len(landed) - len(quarantined)
        assert n_repeats == 0 or landed

    # Without two rows of one instant, the order of the file says nothing.
    alone = list({row[0]: text for row, text in zip(rows, lines, strict=True)}.values())
    shuffled = list(alone)
    order.shuffle(shuffled)
    first, second = (run(csv_of(folder, some), mapping) for some in (alone, shuffled))
    for kind in observed:
        assert first.get(kind) == second.get(kind)


def _instant(row):
    return row.get("bar_start_at") or row["observed_at"]


def test_blocks_do_not_show(tmp_path, monkeypatch):
    lines = [line(n, c="x" if n % 7 == 3 else 105) for n in range(300)]
    lines[100:100] = ["short,line", ""]
    path, mapping = csv_of(tmp_path, lines), mapping_of(tmp_path)
    whole = run(path, mapping)
    monkeypatch.setattr("sources.recorded.input_tables._BLOCK_BYTES", 1000)
    monkeypatch.setattr("sources.recorded.file_import._BATCH_ROWS", 50)
    assert run(path, mapping) == whole
    numbers = [row["row_number"] for row in whole["quarantine"] if row["column_name"] == "c"]
    expected = [i + 2 for i, text in enumerate(lines) if ",x," in text]
    assert numbers == expected


def test_text_columns_in_parquet_are_read_like_csv(tmp_path):
    table = pa.table(
        {
            "symbol": pa.array(["BTCUSDT", "BTCUSDT"]).dictionary_encode(),
            "t": [str(hour(0)), str(hour(1))],
            "o": np.array([100.0, np.nan]),
            "h": ["110", "110"],
            "l": pa.array([90, 90], pa.int32()),
            "c": ["105", "one"],
            "v": [True, False],
            "mark": pa.array([104.0, None]),
            "oi": pa.array([50, 51], pa.int64()),
        }
    )
    path = tmp_path / "bars.parquet"
    pq.write_table(table, path)
    records = run(path, mapping_of(tmp_path))
    reasons = [(row["column_name"], row["reason"]) for row in records["quarantine"]]
    assert reasons == [("v", "not a number"), ("o", "NaN or infinite")]
    assert len(records["mark_ohlc"]) == 1
    assert len(records["open_interest"]) == 2
