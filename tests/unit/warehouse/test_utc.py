"""Instants are the same hour for every reader."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pytest

from warehouse.read import open_published
from warehouse.utc import with_zone, without_zone

AT = datetime(2026, 1, 1, 5, tzinfo=UTC)


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "liqheat.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table hour as select timestamp '2026-01-01 05:00' as as_of, "
            "[timestamp '2026-01-01 05:00', null] as hours, 1.5 as price"
        )
    return path


def test_a_reader_takes_and_gives_instants_in_utc(published):
    # Five in the morning in UTC, for someone in New York.
    in_new_york = AT.astimezone(timezone(timedelta(hours=-5)))
    with open_published(published) as reader:
        reader.execute("select * from hour where as_of = $at", {"at": in_new_york})
        assert reader.fetchall() == [(AT, [AT, None], 1.5)]
        reader.execute("select as_of from hour where list_contains(?, as_of)", [[in_new_york]])
        assert reader.fetchone() == (AT,)
        table = reader.execute("select as_of, price from hour").to_arrow_table()
    assert str(table.schema.field("as_of").type) == "timestamp[us, tz=UTC]"
    assert table["as_of"].to_pylist() == [AT]


def test_values_without_datetimes_stay_as_they_are():
    assert with_zone({"a": [1, "x"]}) == {"a": [1, "x"]}
    assert without_zone(["x", None, AT]) == ["x", None, datetime(2026, 1, 1, 5)]  # noqa: DTZ001


def test_a_client_in_new_york_without_pytz_sees_utc(published):
    shown = subprocess.run(
        [sys.executable, "-c",
         "import sys; sys.modules['pytz'] = None; import duckdb; "
         "c = duckdb.connect(sys.argv[1], read_only=True); "
         "c.execute(\"set timezone = 'America/New_York'\"); "
         "c.execute('select as_of, as_of::date::varchar from hour'); print(c.fetchall()); "
         "print(c.sql('select as_of from hour').df().as_of[0])", str(published)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.splitlines() == [
        "[(datetime.datetime(2026, 1, 1, 5, 0), '2026-01-01')]",
        "2026-01-01 05:00:00",
    ]
