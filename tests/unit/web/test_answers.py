"""The same rows in every form, whatever they hold."""

import csv
import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from web.answers import Envelope, MediaType, encode, headers_of

ENVELOPE = Envelope("one", None, None, None, None, {})
TEXT = 'a "b",\r\n=c'


@pytest.fixture
def forms():
    """Return a function that reads rows back from each form."""

    def read(columns):
        rows = pa.table(columns)
        bodies = {
            media: bytes(encode(rows, media, ENVELOPE, has_next=False).body)
            for media in (MediaType.json, MediaType.csv, MediaType.arrow)
        }

        def refuse(name):
            raise AssertionError(f"{name} is not JSON")

        text = io.StringIO(bodies[MediaType.csv].decode(), newline="")
        return (
            json.loads(bodies[MediaType.json], parse_constant=refuse),
            list(csv.DictReader(text)),
            pa.ipc.open_stream(bodies[MediaType.arrow]).read_all().to_pylist(),
        )

    return read


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_what_is_no_number_is_null_in_every_form(forms, kind):
    values = pa.array([1.5, float("nan"), float("inf"), -float("inf"), None], kind)
    as_json, as_csv, as_arrow = forms({"row": range(5), "value": values})
    known = [1.5, None, None, None, None]
    assert [row["value"] for row in as_json] == known
    assert [row["value"] for row in as_arrow] == known
    assert [row["value"] for row in as_csv] == ["1.5", "", "", "", ""]


def test_what_is_no_number_within_a_list_is_null_too(forms):
    as_json, as_csv, _ = forms({"row": range(2), "values": pa.array([[1.0, float("nan")], None])})
    assert [row["values"] for row in as_json] == [[1.0, None], None]
    assert [row["values"] for row in as_csv] == ["[1.0, null]", ""]


def test_texts_instants_and_large_numbers_are_the_same_in_every_form(forms):
    hour = datetime(2026, 1, 15, tzinfo=UTC)
    as_json, as_csv, as_arrow = forms(
        {"text": [TEXT], "hour": [hour], "day": [date(2026, 1, 15)], "count": [2**53 + 1]}
    )
    plain = {"text": TEXT, "hour": "2026-01-15T00:00:00Z", "day": "2026-01-15"}
    assert as_json == [{**plain, "count": 2**53 + 1}]
    assert as_csv == [{**plain, "count": str(2**53 + 1)}]
    assert as_arrow == [{"text": TEXT, "hour": hour, "day": date(2026, 1, 15), "count": 2**53 + 1}]


def test_a_header_holds_one_line_of_latin_letters():
    named = headers_of({"asset": "a\r\nSet-Cookie: b\x00☃", "grade": None, "is_stale": True})
    assert named == {
        "X-Liqheat-Asset": "a  Set-Cookie: b \\u2603",
        "X-Liqheat-Is-Stale": "true",
    }
