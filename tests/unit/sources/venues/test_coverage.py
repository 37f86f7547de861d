"""What is followed, in words: every class of every venue, from the declarations alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from sources.venues import coverage as covering
from sources.venues.coverage import coverage, model
from sources.venues.declared import VENUES

MODEL = Path(__file__).parents[4] / "sql/marts/venue_coverage.sql"


def reasons(venue):
    return {one.contract_class: one.reason for one in coverage() if one.venue == venue}


def test_every_venue_says_of_every_class_whether_it_is_followed_and_why_not():
    rows = coverage()
    assert len(rows) == 4 * len(VENUES)
    assert reasons("okx")["inverse"] is None
    assert reasons("binance")["inverse"] == "followed as the venue binancecoinm"
    assert all(one.reason for one in rows if one.contract_class == "dated")


def test_the_published_rows_are_those_of_the_declarations():
    assert MODEL.read_text() == model(), (
        "run .venv/bin/python -m sources.venues.coverage > sql/marts/venue_coverage.sql"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"not_followed": {"inverse": "x"}}, "gate: inverse contracts are followed; take them out"),
        ({"not_listed": ()}, "gate: linear_usdc contracts are not followed; say why"),
    ],
)
def test_a_class_is_either_followed_or_has_a_reason(monkeypatch, changes, message):
    changed = replace(VENUES["gate"], **changes)
    monkeypatch.setattr(covering, "VENUES", {"gate": changed})
    with pytest.raises(ValueError, match=message):
        coverage()
