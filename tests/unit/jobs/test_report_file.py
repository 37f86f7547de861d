from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import AwareDatetime, TypeAdapter

from jobs.report_file import read_report, write_report
from sources.errors import InputRejected

OTHERWISE = "is no report of rounds: delete it"


@dataclass(frozen=True)
class Round:
    at: AwareDatetime
    counts: tuple[int, ...] = ()


FORM = TypeAdapter(Round)


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "home" / "round.json"
    last = Round(datetime(2026, 3, 1, 12, 30, tzinfo=UTC), (3, 1))
    write_report(path, Round(datetime(2026, 3, 1, tzinfo=UTC)))
    write_report(path, last)
    assert read_report(path, FORM, OTHERWISE) == last
    assert '"2026-03-01T12:30:00+00:00"' in path.read_text()


def test_where_there_is_no_file_there_is_no_report(tmp_path):
    assert read_report(tmp_path / "round.json", FORM, OTHERWISE) is None


@pytest.mark.parametrize("content", ["", "[]", '{"at": "2026-03-01T12:00"}', "[" * 100_000])
def test_what_is_no_report_is_named_with_the_next_step(tmp_path, content):
    path = tmp_path / "round.json"
    path.write_text(content)
    with pytest.raises(InputRejected) as raised:
        read_report(path, FORM, OTHERWISE)
    assert str(raised.value) == f"{path} {OTHERWISE}"
