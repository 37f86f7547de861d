import csv
import datetime as dt
import json
from pathlib import Path

import pytest
from aiohttp import web

from sources.errors import InputRejected, TransientSourceError
from sources.sentiment import fetch_fear_greed, parse_fear_greed

NOW = dt.datetime(2026, 3, 3, 9, tzinfo=dt.UTC)
RECORDED = Path(__file__).parents[3] / "../shared/data/sentiment/fear_greed_daily.csv"


def answer(*rows):
    return json.dumps(
        {"name": "Fear and Greed Index", "data": list(rows), "metadata": {"error": None}}
    ).encode()


def day(number, value, word="Fear", **more):
    at = dt.datetime(2026, 3, number, tzinfo=dt.UTC)
    return {
        "value": value,
        "value_classification": word,
        "timestamp": str(int(at.timestamp())),
    } | more


TWO_DAYS = answer(day(3, "10", "Extreme Fear", time_until_update="54000"), day(2, "14"))


def test_values_and_times_in_text_become_records_by_day():
    (batch,) = parse_fear_greed(TWO_DAYS, now=NOW)
    first, second = batch.table.to_pylist()
    assert first["observed_at"] == dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
    assert (second["index_value"], second["classification"]) == (10.0, "Extreme Fear")
    assert {row["index_name"] for row in (first, second)} == {"fear_greed"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (day(2, "101"), "outside 0 to 100"),
        (day(2, "-1"), "outside 0 to 100"),
        (day(2, "high"), "not a finite number"),
        (day(2, None), "missing"),
        (day(9, "50"), "lies in the future"),
        (day(2, "50", timestamp="yesterday"), "not a finite number"),
        ("not a row", "missing"),
    ],
)
def test_a_row_that_is_none_is_kept_aside(row, reason):
    good, refused = parse_fear_greed(answer(day(3, "10"), row), now=NOW)
    assert good.table.num_rows == 1
    (kept,) = refused.table.to_pylist()
    assert reason in kept["reason"]
    assert kept["row_number"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b'{"data": 5}',
        b'{"data": [], "metadata": {"error": "limit exceeded"}}',
        TWO_DAYS[:-20],
    ],
)
def test_an_answer_that_is_no_index_is_refused(body):
    with pytest.raises(InputRejected, match=r"alternative\.me"):
        parse_fear_greed(body, now=NOW)


async def test_it_is_requested_over_http(answers):
    answers.by_path["/fng/"] = json.loads(TWO_DAYS)
    (batch,) = await fetch_fear_greed(days=2, now=NOW, base_url=answers.base_url)
    assert batch.table.num_rows == 2
    assert answers.requests[0].query == {"limit": "2", "format": "json"}
    answers.by_path["/fng/"] = lambda _: web.Response(status=503)
    with pytest.raises(TransientSourceError, match="503"):
        await fetch_fear_greed(days=2, now=NOW, base_url=answers.base_url)


def invented_days():
    first = dt.date(2024, 2, 1)
    days = [first + dt.timedelta(days=n) for n in range(800)]
    # A day given twice counts once.
    return [(f"{day}", str(day.toordinal() * 7 % 101)) for day in [*days, days[-1]]]


def recorded_days():
    if not RECORDED.exists():
        pytest.skip("no recorded index beside the project")
    with RECORDED.open(newline="") as file:
        return [(row["date"], row["fng"]) for row in csv.DictReader(file) if row["fng"]]


@pytest.mark.parametrize("days", [invented_days, recorded_days])
def test_an_index_of_years_is_read_whole(days):
    rows = []
    for date, value in days():
        at = dt.datetime.fromisoformat(date).replace(tzinfo=dt.UTC)
        rows.append({"value": value, "timestamp": str(int(at.timestamp()))})
    (batch,) = parse_fear_greed(answer(*rows[::-1]), now=dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    assert batch.table.num_rows == len({row["timestamp"] for row in rows})
