"""One series over a stretch of time: where it starts, whatever windows it is cut into."""

import dataclasses
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bench.kernel import simulated_bars
from jobs.build.bracket_choice import HeldBrackets
from jobs.build.replay import TRAIL_MICROSECONDS, replay
from jobs.build.replay_records import EMPTY_BARS, BarColumns, ReplaySpan, Series
from jobs.instants import DAY_MICROSECONDS, HOUR_MICROSECONDS, SECOND_MICROSECONDS
from transforms import grid
from transforms.estimators import ESTIMATORS
from transforms.margin import Brackets

BRACKETS = Brackets.from_ratios([0.0], [0.005], [125.0])
ALL = tuple(ESTIMATORS.values())
BAR = 900 * SECOND_MICROSECONDS
N_DAYS = 34
# Open interest is known from the middle of a day on, 31.5 days after the first bar.
FIRST_KNOWN = 31 * 96 + 51
# The hours of the last two days and a half have maps by tier.
BY_TIER_AFTER = 31 * DAY_MICROSECONDS + DAY_MICROSECONDS // 2


def columns(n_bars=N_DAYS * 96, first_known=FIRST_KNOWN):
    """Return bars of 15 minutes of which only the last days have open interest."""
    bars = simulated_bars(n_bars, seed=9)
    start = np.arange(n_bars, dtype=np.int64) * BAR
    open_interest = bars.open_interest.copy()
    open_interest[:first_known] = np.nan
    prices = np.stack([bars.open, bars.high, bars.low, bars.close, bars.mark_high, bars.mark_low])
    return BarColumns(start, start + BAR, prices, bars.volume, bars.taker_buy, open_interest)


def replayed(bars, edges, estimators=ALL):
    """Return the outputs of each estimator, the stretch cut at the given instants."""
    series = Series("BTC", "okx", "o", "linear", [HeldBrackets(0, BRACKETS, "venue")])
    made = {}
    for start, end in itertools.pairwise(edges):
        first, stop = np.searchsorted(bars.end, [start, end], side="right")
        for stretch in replay(
            series,
            estimators,
            bars.part(int(first), int(stop)),
            EMPTY_BARS,
            ReplaySpan(
                start,
                end,
                store_after=0,
                longest_hole=31 * DAY_MICROSECONDS,
                by_tier_after=BY_TIER_AFTER,
            ),
        ):
            made.setdefault(stretch.provider, []).append(stretch)
    return series, made


def test_a_series_starts_the_same_whatever_windows_lie_before_its_open_interest():
    bars = columns()
    end = int(bars.end[-1])
    series, whole = replayed(bars, [0, end])
    cut_series, cut = replayed(
        bars,
        [
            0,
            5 * DAY_MICROSECONDS,
            20 * DAY_MICROSECONDS + HOUR_MICROSECONDS,
            31 * DAY_MICROSECONDS,
            32 * DAY_MICROSECONDS,
            end,
        ],
    )
    # A replay that reads no further back than counts, too.
    late_series, late = replayed(
        bars,
        [
            int(bars.start[FIRST_KNOWN]) // DAY_MICROSECONDS * DAY_MICROSECONDS
            - TRAIL_MICROSECONDS,
            end,
        ],
    )
    assert sorted(whole) == sorted(cut) == sorted(late) == sorted(ESTIMATORS)
    for provider, (stretch,) in whole.items():
        for other in (cut, late):
            for field in dataclasses.fields(stretch.outputs):
                joined = [getattr(each.outputs, field.name) for each in other[provider]]
                assert_array_equal(
                    np.concatenate(joined), getattr(stretch.outputs, field.name), err_msg=field.name
                )
        has_tiers = stretch.hours > BY_TIER_AFTER
        assert 0 < len(stretch.outputs.liquidation_by_tier_usd) == has_tiers.sum()
        payload = series.states[provider].to_bytes()
        assert payload == cut_series.states[provider].to_bytes()
        assert payload == late_series.states[provider].to_bytes()
        assert (
            stretch.hours[0]
            == -(-int(bars.end[FIRST_KNOWN]) // HOUR_MICROSECONDS) * HOUR_MICROSECONDS
        )
        assert stretch.outputs.books_error.max() < 1e-9


def test_the_first_open_interest_is_spread_where_earlier_bars_traded():
    end = (FIRST_KNOWN + 8) * BAR
    bars = columns(n_bars=FIRST_KNOWN + 8)
    names = [each for each in ALL if each.model == "density"]
    _, spread = replayed(bars, [0, end], names)
    _, lump = replayed(bars.part(FIRST_KNOWN, FIRST_KNOWN + 8), [0, end], names)
    for provider, (stretch,) in spread.items():
        outputs = stretch.outputs
        (alone,) = lump[provider]
        assert_allclose(outputs.start_up_ratio[0], 1.0, rtol=1e-9)
        assert_allclose(outputs.open_interest, alone.outputs.open_interest)
        assert_array_equal(outputs.liquidation_usd[0], outputs.start_up_usd[0])
        largest = outputs.liquidation_usd[0].max() / outputs.liquidation_usd[0].sum()
        alone_largest = (
            alone.outputs.liquidation_usd[0].max() / alone.outputs.liquidation_usd[0].sum()
        )
        assert largest < 0.25 * alone_largest, provider
        # Nothing on the wrong side of the close, the first bar included, but for one node.
        bins = outputs.first_bin[0] + np.arange(grid.N_PUBLISHED_BINS)
        low, high = grid.bin_edges(bins)
        node = np.exp(grid.LOG_STEP)
        assert not outputs.liquidation_usd[0, 0][low > outputs.close[0] * node].any()
        assert not outputs.liquidation_usd[0, 1][high < outputs.close[0] / node].any()
        assert stretch.is_warm_up.all()


def test_levels_that_price_has_reached_since_hold_nothing_at_the_start():
    # Trades at 100, then a day at 94, then open interest is known at 100: longs of 25x and above
    # opened at 100 were liquidated on the way, those of 3x were not.
    n_bars = 3 * 24
    start = np.arange(n_bars, dtype=np.int64) * HOUR_MICROSECONDS
    price = np.where((start >= DAY_MICROSECONDS) & (start < 2 * DAY_MICROSECONDS), 94.0, 100.0)
    open_interest = np.where(np.arange(n_bars) < n_bars - 1, np.nan, 500.0)
    one = np.ones(n_bars)
    volume = np.where(start < DAY_MICROSECONDS, 10.0, 1e-9)
    bars = BarColumns(
        start, start + HOUR_MICROSECONDS, np.stack([price] * 6), volume, np.nan * one, open_interest
    )
    (turnover,) = [each for each in ALL if each.provider == "turnover"]
    series, _ = replayed(bars, [0, 3 * DAY_MICROSECONDS], (turnover,))
    held = series.states["turnover"].total.reshape(2, -1)
    is_hit = np.array(turnover.leverages) >= 20.0
    assert held[0][is_hit].max() < 1e-6 * held[0].sum()
    assert held[1][is_hit].min() > 1e-3 * held[1].sum()
    assert held.sum() + series.states["turnover"].unlevered.sum() == pytest.approx(1_000.0)


def test_without_volume_before_it_the_first_open_interest_lies_at_its_own_prices():
    bars = columns(n_bars=FIRST_KNOWN + 8)
    still = dataclasses.replace(bars, volume=np.zeros(len(bars)))
    names = tuple(each for each in ALL if each.model == "density")
    edges = [0, int(bars.end[-1])]
    _, spread = replayed(still, edges, names)
    _, lump = replayed(still.part(FIRST_KNOWN, len(still)), edges, names)
    for provider, (stretch,) in spread.items():
        assert_array_equal(
            stretch.outputs.liquidation_usd, lump[provider][0].outputs.liquidation_usd
        )


def test_bars_of_another_length_and_older_ones_are_no_part_of_a_trail():
    bars = columns()
    by_hour = dataclasses.replace(
        bars, end=np.where(bars.start < 20 * DAY_MICROSECONDS, bars.end + 1, bars.end)
    )
    _, mixed = replayed(by_hour, [0, int(bars.end[-1])])
    _, short = replayed(bars.part(20 * 96, len(bars)), [0, int(bars.end[-1])])
    for provider, (stretch,) in mixed.items():
        assert_array_equal(
            stretch.outputs.liquidation_usd, short[provider][0].outputs.liquidation_usd
        )
