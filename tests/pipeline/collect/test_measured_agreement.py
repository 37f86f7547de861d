"""The measure of the benchmark itself: a map of everything agrees, one of a part does not."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from standin import DAY, Population, PopulationParameters, synthetic_market
from workbench.positions import (
    HOUR_MS,
    Agreement,
    compare,
    contexts_of,
    instant,
    read_hours,
    store_states,
)

from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import book_path
from jobs.positions.hourly_map import land_hourly_map
from jobs.settings import Settings

START = 1_772_323_200_000
AT = START + HOUR_MS


@pytest.fixture(scope="module")
def people() -> Population:
    market = synthetic_market(
        start=START - DAY,
        end=START + DAY,
        venues=("hyperliquid",),
        assets={"BTC": 70_000.0, "SOL": 90.0, "PEPE": 4e-6},
    )
    found = Population(
        market,
        start=START,
        names=["BTC", "SOL", "kPEPE"],
        parameters=PopulationParameters(accounts=300),
    )
    # The book of an hour is kept when the first second after it begins.
    found.advance(AT + 1000)
    return found


def agreement(people: Population, folder: Path, kept: float) -> Agreement:
    """Land the map of some positions of all accounts and hold it against the true book."""
    folder.mkdir()
    people.steer(save=str(folder))
    settings = Settings(home=folder / "home")
    with closing(AccountBook(book_path(settings))) as book:
        store_states(book, people, AT - 1000)
        held = book.positions_of(instant(AT))
    size = int(len(held) * kept)
    arrays = {
        name: value[:size]
        for name in held.__slots__
        if isinstance(value := getattr(held, name), np.ndarray)
    }
    land_hourly_map(settings, replace(held, **arrays), contexts_of(people), instant(AT))
    (hour,) = read_hours(folder)
    found = compare(hour, settings.landing)
    assert found is not None
    return found


def test_states_of_all_accounts_make_the_true_map(people: Population, tmp_path: Path) -> None:
    found = agreement(people, tmp_path / "all", 1.0)
    assert found.true_usd.min() > 0
    # A second has passed between the book of the hour and the states.
    assert found.weighted_overlap > 0.995
    assert_allclose(found.total_ratio, 1.0, atol=0.01)


def test_what_is_not_seen_is_missed(people: Population, tmp_path: Path) -> None:
    found = agreement(people, tmp_path / "half", 0.5)
    assert found.weighted_overlap < 0.9
    assert found.total_ratio < 0.9


def test_an_hour_without_a_map_agrees_with_nothing(people: Population, tmp_path: Path) -> None:
    people.steer(save=str(tmp_path))
    (hour,) = read_hours(tmp_path)
    assert compare(hour, tmp_path / "landing") is None
