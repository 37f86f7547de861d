import io
from csv import writer
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.errors import InputRejected
from sources.providers.declared.canonical_file import parse
from sources.providers.declared.coinank import parse as parse_coinank
from sources.providers.provider import AnswerContext

HEADER = "provider,asset,as_of,price_low,price_high,side,value,unit,semantics,leverage,venue_scope"
GOOD = "mine,BTC,2026-03-03T14:00:00Z,99,101,long,5.5,usd,standing,25,Okex"


def csv(*rows, header=HEADER):
    return "\n".join([header, *rows, ""]).encode()


def test_rows_are_taken_as_they_state(context, rows_of):
    raw = csv(GOOD, "mine,BTC,2026-03-03T15:00:00+01:00,101,101,unknown,0,relative,opened,,")
    first, second = rows_of(parse(raw, context))
    assert first["provider"] == "mine"
    assert (first["price_low"], first["price_high"], first["value"]) == (99.0, 101.0, 5.5)
    assert (first["unit"], first["semantics"], first["leverage"]) == ("usd", "standing", 25.0)
    assert (first["venue_scope"], second["venue_scope"]) == ("okx", "all")
    assert first["as_of"] == second["as_of"] == datetime(2026, 3, 3, 14, tzinfo=UTC)
    assert (second["unit"], second["leverage"], second["model"]) == ("relative", None, "file")
    assert len(first["raw_sha256"]) == 64


def test_parquet_and_csv_of_the_same_rows_read_the_same(context):
    (from_csv,) = parse(csv(GOOD), context)
    target = io.BytesIO()
    pa.parquet.write_table(from_csv.table, target)
    (from_parquet,) = parse(target.getvalue(), context)
    ignored = ["raw_sha256"]
    assert from_parquet.table.drop_columns(ignored).equals(from_csv.table.drop_columns(ignored))


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (GOOD.replace("mine", ""), "provider", "provider is empty"),
        (GOOD.replace("BTC", " "), "asset", "asset is empty"),
        (GOOD.replace("Z,", ","), "as_of", "as_of is not an ISO 8601 instant with a zone"),
        (GOOD.replace("99,", "-1,"), "price_low", "price_low is not a positive number"),
        (GOOD.replace("101", "n/a"), "price_high", "price_high is not a positive number"),
        (GOOD.replace("101", "98"), "price_high", "price_high is below price_low"),
        (GOOD.replace("5.5", "nan"), "value", "value is not a finite number"),
        (GOOD.replace("5.5", ""), "value", "value is not a finite number"),
        (GOOD.replace("5.5", "-2"), "value", "value is negative"),
        (GOOD.replace("long", "buy"), "side", "side is none of long, short, unknown"),
        (GOOD.replace("usd", "eur"), "unit", "unit is none of usd, base, contracts, relative"),
        (GOOD.replace("standing", "?"), "semantics", "semantics is none of standing"),
        (GOOD.replace(",25,", ",x,"), "leverage", "leverage is not a positive number"),
    ],
)
def test_bad_rows_go_to_quarantine_with_their_number(context, rows_of, row, column, reason):
    batches = parse(csv(GOOD, row), context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert (quarantined["row_number"], quarantined["column_name"]) == (2, column)
    assert quarantined["reason"].startswith(f"canonical_file: {reason}")
    assert len(rows_of(batches)) == 1


def test_a_row_of_the_wrong_width_goes_to_quarantine(context, rows_of):
    batches = parse(csv(GOOD, "mine,BTC", GOOD.replace("5.5", "6")), context)
    (quarantined,) = rows_of(batches, "quarantine")
    assert (quarantined["row_number"], quarantined["received"]) == (2, "mine,BTC")
    assert quarantined["reason"] == "canonical_file: 2 columns instead of 11"
    assert len(rows_of(batches)) == 2


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the answer is empty"),
        (csv(), "every value is zero or there is none"),
        (csv(GOOD, header=HEADER.replace("value", "usd_value")), "no column value"),
        (b"PAR1 and nothing more", "not whole Parquet"),
        (b"<html></html>", "HTML"),
        (csv(GOOD.replace("5.5", "x")), "no usable cell, 1 refused"),
        (csv(GOOD, header=HEADER.replace("leverage", "value")), "column value is there twice"),
        (csv(GOOD).replace(b",", b";"), "no column provider, asset"),
    ],
)
def test_an_unusable_file_is_refused_with_a_reason(context, raw, message):
    with pytest.raises(InputRejected, match=message):
        parse(raw, context)


def test_decimals_and_naive_instants_of_parquet(context, rows_of):
    row = {
        "provider": "mine",
        "asset": "BTC",
        "price_low": Decimal("99.5"),
        "price_high": Decimal("99.5"),
        "side": "short",
        "value": 2,
        "unit": "base",
        "semantics": "realised",
    }
    instants = [datetime(2026, 3, 3, 14, tzinfo=UTC), datetime(2026, 3, 3, 14)]  # noqa: DTZ001
    with_zone, naive = (pa.Table.from_pylist([{**row, "as_of": each}]) for each in instants)
    target = io.BytesIO()
    pa.parquet.write_table(with_zone, target)
    (read,) = rows_of(parse(target.getvalue(), context))
    assert (read["price_low"], read["value"], read["as_of"]) == (99.5, 2.0, instants[0])
    target = io.BytesIO()
    pa.parquet.write_table(naive, target)
    with pytest.raises(InputRejected, match="as_of is not an ISO 8601 instant with a zone"):
        parse(target.getvalue(), context)


@settings(deadline=None)
@given(data=st.data())
def test_any_value_in_a_field_the_row_is_usable_or_quarantined(data):
    fields = GOOD.split(",")
    place = data.draw(st.integers(0, len(fields) - 1))
    fields[place] = data.draw(
        st.text(max_size=8) | st.floats().map(str) | st.sampled_from(["", '"', "1,2", "a\nb", "0"])
    )
    text = io.StringIO()
    writer(text, lineterminator="\n").writerows([HEADER.split(","), GOOD.split(","), fields])
    context = AnswerContext("saved.csv", datetime(2026, 3, 3, 15, tzinfo=UTC))
    try:
        batches = parse(text.getvalue().encode("utf-8", "replace"), context)
    except InputRejected as refused:
        assert str(refused).startswith("canonical_file: saved.csv: ")  # noqa: PT017
        return
    assert sum(batch.table.num_rows for batch in batches) >= 2


def test_a_file_of_another_asset_is_refused(context):
    with pytest.raises(InputRejected, match=r"rows of 'ETH', not only of 'BTC'|rows of ETH"):
        parse(csv(GOOD, GOOD.replace("BTC", "ETH")), replace(context, asset="BTC"))


def test_a_stale_file_is_refused(context):
    with pytest.raises(InputRejected, match="stale capture"):
        parse(csv(GOOD), replace(context, max_age=timedelta(minutes=30)))


def test_what_one_provider_gave_survives_a_trip_through_a_file(context):
    raw = (
        b'{"success":true,"data":{"symbol":"BTCUSDT","x25":[1.0,0.0,2.0],"prices":[98,100,102],'
        b'"lastIndex":1,"lastPrice":100}}'
    )
    named = replace(
        context, captured_at=datetime(2026, 3, 3, 14, tzinfo=UTC), venue_scope="binance"
    )
    (given,) = parse_coinank(raw, named)
    target = io.BytesIO()
    pa.csv.write_csv(given.table.set_column(4, "as_of", [["2026-03-03T14:00:00Z"] * 2]), target)
    (back,) = parse(target.getvalue(), context)
    own = ["raw_sha256", "source"]
    assert back.table.drop_columns(own).equals(given.table.drop_columns(own))


def test_a_row_that_is_there_twice_counts_once(context, rows_of):
    other = GOOD.replace("5.5", "7")
    batches = parse(csv(GOOD, other, GOOD, GOOD), context)
    assert [row["value"] for row in rows_of(batches)] == [5.5, 7.0]
    reasons = batches[1].table.column("reason").to_pylist()
    assert reasons == ["canonical_file: the same as row 1"] * 2


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("value", [[5.5]], "column 'value' holds list"),
        ("asset", [{"a": "BTC"}], "column 'asset' holds struct"),
        ("model", ["x" * 20_000], "holds text of 20,000 bytes"),
    ],
)
def test_parquet_of_another_shape_is_refused(context, name, values, message):
    (batch,) = parse(csv(GOOD), context)
    table = batch.table.drop_columns([name] if name in batch.table.column_names else [])
    target = io.BytesIO()
    pa.parquet.write_table(table.append_column(name, pa.array(values)), target)
    with pytest.raises(InputRejected, match=message):
        parse(target.getvalue(), context)


def test_a_file_of_too_many_rows_is_refused(context, monkeypatch):
    monkeypatch.setattr("sources.providers.declared.canonical_file.LARGEST_ROWS", 2)
    with pytest.raises(InputRejected, match="3 rows"):
        parse(csv(GOOD, GOOD, GOOD), context)


def test_a_line_of_very_many_cells_is_refused_at_once(context):
    with pytest.raises(InputRejected, match="no column provider"):
        parse(",".join(map(str, range(8_000))).encode(), context)
