"""Odd multiples of the lot show how many sides a venue's open interest counts."""

import math
import random
from dataclasses import dataclass
from datetime import timedelta

import pytest
from workbench import START, table_of, workshop

from jobs.check.frames import suite_frames
from quality.gates import declared_gates
from quality.suites import suites
from warehouse.models import set_window

BAR = timedelta(minutes=5)
COUNT = 200


@pytest.fixture
def shop(tmp_path):
    with workshop(tmp_path) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Terms:
    """How a venue publishes open interest: each figure is a number of lots times `step`."""

    step: float = 1
    unit: str = "base"
    lot: float | None = None
    size: float = 1.0
    multiplier: float = 1.0
    kind: str = "linear"
    digits: int = 6


WHOLE_LOTS = Terms(lot=1.0)


def land_open_interest(shop, venue, lots, *, declared, terms=WHOLE_LOTS):
    """Land a venue's contract and its open interest, which declares so many sides."""
    instrument = "BTC/USD:BTC" if terms.kind == "inverse" else "BTC/USDT:USDT"
    described = {
        "venue": venue, "instrument": instrument, "asset": "BTC", "quote": "USDT",
        "contract_kind": terms.kind, "contract_size": terms.size,
        "base_multiplier": terms.multiplier, "lot_quantity": terms.lot, "is_active": True,
        "observed_at": START,
    }  # fmt: skip
    name = "value" if terms.unit == "usd" else "amount"
    rows = [
        {
            "venue": venue, "instrument": instrument, "observed_at": START + number * BAR,
            "open_interest_quantity": 1.0, "sides_counted": declared,
            f"received_{name}": round(count * terms.step, terms.digits),
            f"received_{name}_unit": terms.unit,
        }
        for number, count in enumerate(lots)
    ]  # fmt: skip
    shop.land("instrument", table_of("instrument", [described]))
    shop.land("open_interest", table_of("open_interest", rows))
    shop.load()


def verdict(shop, venue):
    (row,) = shop.rows(
        "select sides_seen, is_contradicted, reason, figure_count, odd_share_ratio "
        "from marts.open_interest_sides where venue = ?",
        [venue],
    )
    return row


def walk(*, both_sides=False, seed=1, count=COUNT):
    """Return numbers of lots that wander; of both sides only even ones."""
    rng = random.Random(seed)  # noqa: S311  (figures of a test)
    level = 30_000_001
    held = []
    for _ in range(count):
        level += rng.choice([-1, 1]) * rng.randint(1, 5_000)
        held.append(2 * level if both_sides else level)
    return held


@pytest.mark.parametrize("declared", [1, 2])
@pytest.mark.parametrize("both_sides", [False, True])
@pytest.mark.parametrize(
    "terms",
    [
        {"step": 0.001, "lot": 0.001},
        # Contracts of .01 coin that trade in hundredths; in whole ones; nobody lists the lot.
        {"step": 0.01, "lot": 0.0001, "unit": "contracts", "size": 0.01},
        {"step": 1, "lot": 0.0001, "unit": "contracts", "size": 0.0001},
        {"step": 0.001},
        {"step": 10},
        # 1000PEPE: one lot of the venue is a thousand of the coin.
        {"step": 1, "lot": 1000.0, "multiplier": 1000.0},
        # The lot that is listed is ten times too small for what figures count in.
        {"step": 0.01, "lot": 0.001},
        {"step": 10, "lot": 10.0, "unit": "usd", "kind": "inverse"},
    ],
)
def test_the_sides_are_seen_whatever_the_unit(shop, terms, both_sides, declared):
    land_open_interest(
        shop, "venue", walk(both_sides=both_sides), declared=declared, terms=Terms(**terms)
    )
    sides, is_contradicted, reason, figures, share = verdict(shop, "venue")
    assert (sides, reason, figures) == (2 if both_sides else 1, None, COUNT)
    assert is_contradicted == (sides != declared)
    assert share == 0 if both_sides else 0.35 < share < 0.65


def test_a_few_odd_figures_among_hundreds_do_not_make_one_side(shop):
    lots = walk(both_sides=True, count=400)
    lots[7] += 1
    lots[200] += 1
    land_open_interest(shop, "gate", lots, declared=2)
    assert verdict(shop, "gate") == (2, False, None, 400, 2 / 400)


def test_forty_figures_are_enough_and_fewer_are_not(shop):
    land_open_interest(shop, "few", walk(both_sides=True, count=39), declared=1)
    land_open_interest(shop, "enough", walk(both_sides=True, count=40), declared=1)
    assert verdict(shop, "few")[:3] == (None, None, "fewer than 40 figures")
    assert verdict(shop, "enough")[:3] == (2, True, None)


def test_a_figure_that_stands_still_counts_once(shop):
    land_open_interest(shop, "frozen", [30_000_001] * COUNT, declared=2)
    assert verdict(shop, "frozen")[:3] == (None, None, "fewer than 40 figures")


def test_figures_off_the_lot_show_nothing(shop):
    land_open_interest(shop, "odd", walk(), declared=1, terms=Terms(0.0015, lot=0.001, digits=4))
    assert verdict(shop, "odd")[:3] == (None, None, "figures are no multiples of the lot")


def test_the_check_warns_of_a_contradiction_but_where_the_venue_sends_one_side_itself(shop):
    land_open_interest(shop, "gate", walk(), declared=2)
    land_open_interest(shop, "bybit", walk(seed=2), declared=2)
    land_open_interest(shop, "okx", walk(seed=3), declared=1)
    assert verdict(shop, "bybit")[:2] == (1, True)
    set_window(shop.connection, None, START, START + timedelta(days=1))
    frame = suite_frames(shop.connection, "door", declared_gates())["sides"]
    counts = dict(zip(frame["venue"], frame["contradiction_count"], strict=True))
    assert (counts["gate"], counts["okx"]) == (1, 0)
    assert counts["bybit"] is None or math.isnan(counts["bybit"])
    (check,) = [one for one in suites(declared_gates()) if one.name == "open_interest_sides"]
    assert (check.frame, check.severity, check.rule, check.level) == (
        "sides", "warning", "at_most", 0.0
    )  # fmt: skip
