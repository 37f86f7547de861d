import numpy as np
import pyarrow as pa

from jobs.build.bracket_choice import HeldBrackets, bracket_columns, default_by_size, in_force
from transforms.ladders import DEFAULT_LADDERS
from transforms.margin import Brackets

DAY = 24 * 3600 * 1_000_000
START = 20_000 * DAY
HOUR = DAY // 24


def ladders(usd, usd_before=np.nan, asset="DOGE", first_hour=0):
    """Return (day, ladder) over hourly bars whose open interest is `usd`."""
    starts = START + (first_hour + np.arange(len(usd))) * HOUR
    held = default_by_size(
        asset,
        fee_ratio=0.0005,
        start=START,
        usd_before=usd_before,
        bar_starts=starts,
        open_interest_usd=np.array(usd, dtype=np.float64),
    )
    assert {each.source for each in held} == {"default"}
    assert {each.brackets.liquidation_fee_ratio for each in held} == {0.0005}
    return [((each.valid_from - START) // DAY, each.ladder) for each in held]


def test_a_ladder_changes_at_midnight_with_what_was_known_by_then():
    usd = [*[4e6] * 23, 6e6, *[30e6] * 23, 30e6, *[1e6] * 24]
    assert ladders(usd) == [(0, "small"), (1, "middle"), (2, "large")]


def test_a_ladder_is_the_same_wherever_a_replay_is_cut():
    usd = [*[4e6] * 24, *[6e6] * 24, *[7e6] * 24]
    assert ladders(usd) == [(0, "small"), (2, "middle")]
    assert ladders(usd[24:], usd_before=usd[23]) == [(0, "small"), (1, "middle")]
    # A day without bars changes nothing; open interest before it decides the day after.
    assert ladders(usd[48:], usd_before=6e6, first_hour=24) == [(0, "middle")]
    assert ladders([], usd_before=25e6) == [(0, "large")]


def test_the_first_day_of_a_series_has_the_ladder_of_its_first_bar():
    assert ladders([25e6, 1.0], first_hour=23) == [(0, "large")]
    assert ladders([]) == [(0, "small")]
    assert ladders([1.0] * 48, asset="BTC") == [(0, "btc_eth")]


def test_each_hour_names_its_brackets_and_the_reference_positions():
    table = Brackets.from_ratios([0.0, 5e3, 2e4], [0.01, 0.02, 0.05], [50, 25, 10])
    held = [
        HeldBrackets(START, table, "user"),
        HeldBrackets(
            START + DAY,
            Brackets.from_ratios(
                [0.0], [0.004], [100], has_deduction=False, liquidation_fee_ratio=0.0005
            ),
            "venue",
        ),
        HeldBrackets(START + 2 * DAY, DEFAULT_LADDERS["small"].brackets(), "default", "small"),
    ]
    assert in_force(held, START - 1) is table
    assert in_force(held, START + DAY) is held[1].brackets
    hours = START + np.array([-HOUR, HOUR, DAY, DAY + HOUR, 3 * DAY])
    rows = pa.table(bracket_columns(held, hours, 10_000.0)).to_pylist()
    # An hour that ends as brackets begin to hold was the old ones'.
    assert [row["brackets_source"] for row in rows] == ["user"] * 3 + ["venue", "default"]
    assert rows[0] == {
        "brackets_source": "user",
        "brackets_valid_from_at": START,
        "default_ladder": None,
        "liquidation_fee_ratio": 0.0,
        "has_maintenance_deduction": True,
        "reference_bracket": 2,
        "reference_floor_usd": 5e3,
        "reference_cap_usd": 2e4,
        "reference_max_leverage": 25.0,
        "reference_maintenance_margin_ratio": 0.02,
    }
    assert rows[3]["reference_cap_usd"] is None
    assert rows[3]["liquidation_fee_ratio"] == 0.0005
    assert rows[3]["has_maintenance_deduction"] is False
    assert rows[4]["brackets_valid_from_at"] is None
    assert (rows[4]["default_ladder"], rows[4]["reference_max_leverage"]) == ("small", 20.0)
