"""Odd multiples of the lot show how many sides a venue's open interest counts."""

import math
import random
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


def hold(
    shop,
    venue,
    lots,
    step,
    *,
    declared,
    unit="base",
    lot=None,
    size=1.0,
    multiplier=1.0,
    kind="linear",
    digits=6,
):
    """Land a venue's figures: lots times a step, in a unit."""
    instrument = "BTC/USD:BTC" if kind == "inverse" else "BTC/USDT:USDT"
    described = {
        "venue": venue, "instrument": instrument, "asset": "BTC", "quote": "USDT",
        "contract_kind": kind, "contract_size": size, "base_multiplier": multiplier,
        "lot_quantity": lot, "is_active": True, "observed_at": START,
    }  # fmt: skip
    name = "value" if unit == "usd" else "amount"
    rows = [
        {
            "venue": venue, "instrument": instrument, "observed_at": START + number * BAR,
            "open_interest_quantity": 1.0, "sides_counted": declared,
            f"received_{name}": round(count * step, digits), f"received_{name}_unit": unit,
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
    hold(shop, "venue", walk(both_sides=both_sides), declared=declared, **terms)
    sides, is_contradicted, reason, figures, share = verdict(shop, "venue")
    assert (sides, reason, figures) == (2 if both_sides else 1, None, COUNT)
    assert is_contradicted == (sides != declared)
    assert share == 0 if both_sides else 0.35 < share < 0.65


def test_a_few_odd_figures_among_hundreds_do_not_make_one_side(shop):
    lots = walk(both_sides=True, count=400)
    lots[7] += 1
    lots[200] += 1
    hold(shop, "gate", lots, 1, declared=2, lot=1.0)
    assert verdict(shop, "gate") == (2, False, None, 400, 2 / 400)


def test_forty_figures_are_enough_and_fewer_are_not(shop):
    hold(shop, "few", walk(both_sides=True, count=39), 1, declared=1, lot=1.0)
    hold(shop, "enough", walk(both_sides=True, count=40), 1, declared=1, lot=1.0)
    assert verdict(shop, "few")[:3] == (None, None, "fewer than 40 figures")
    assert verdict(shop, "enough")[:3] == (2, True, None)


def test_a_figure_that_stands_still_counts_once(shop):
    hold(shop, "frozen", [30_000_001] * COUNT, 1, declared=2, lot=1.0)
    assert verdict(shop, "frozen")[:3] == (None, None, "fewer than 40 figures")


def test_figures_off_the_lot_show_nothing(shop):
    hold(shop, "odd", walk(), 0.0015, declared=1, lot=0.001, digits=4)
    assert verdict(shop, "odd")[:3] == (None, None, "figures are no multiples of the lot")


def test_the_check_warns_of_a_contradiction_but_where_the_venue_sends_one_side_itself(shop):
    hold(shop, "gate", walk(), 1, declared=2, lot=1.0)
    hold(shop, "bybit", walk(seed=2), 1, declared=2, lot=1.0)
    hold(shop, "okx", walk(seed=3), 1, declared=1, lot=1.0)
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
