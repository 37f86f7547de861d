"""Bars for the density recursion: written out, and drawn at random; and what runs on them."""

import dataclasses

import numpy as np
from hypothesis import strategies as st

from bench.dense import dense_density
from transforms.engine import density_parameters
from transforms.estimators import ESTIMATORS
from transforms.margin import Brackets
from transforms.series import Bars

FLAT = Brackets.from_ratios([0.0], [0.005], [125.0])
TURNOVER = ESTIMATORS["turnover"]
RECURSIONS = [name for name, each in ESTIMATORS.items() if each.model == "density"]
ONLY_25X = dataclasses.replace(
    ESTIMATORS["open_interest"],
    provider="only_25x",
    leverages=(25.0,),
    weights=(1.0,),
    half_lives_days=(5.0,),
    unlevered_share=0.0,
)


def bars_of(prices, open_interest, volume=None, **columns):
    """Return bars that stand still at each price; columns given by name replace theirs."""
    prices = np.asarray(prices, dtype=np.float64)
    missing = np.full(len(prices), np.nan)
    values = {
        "open": prices,
        "high": prices,
        "low": prices,
        "close": prices,
        "mark_high": missing,
        "mark_low": missing,
        "volume": np.full(len(prices), 20.0) if volume is None else np.asarray(volume, np.float64),
        "taker_buy": missing,
        "open_interest": np.asarray(open_interest, dtype=np.float64),
        "is_imputed": np.zeros(len(prices), dtype=np.bool_),
        "has_gap_before": np.zeros(len(prices), dtype=np.bool_),
    }
    return Bars(**{**values, **columns}, bar_seconds=300)


@st.composite
def market_bars(draw, max_bars=60):
    """Draw bars of a market that may jump, stand still, empty out and misreport."""
    n_bars = draw(st.integers(1, max_bars))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    step = draw(st.sampled_from([0.0, 2e-4, 3e-3, 0.08]))
    start = draw(st.sampled_from([3e-6, 0.7, 1.0, 60_000.0]))
    close = start * np.exp(np.cumsum(step * generator.standard_normal(n_bars)))
    open_ = np.concatenate(([start], close[:-1]))
    wick = 1.0 + 0.5 * step * np.abs(generator.standard_normal((2, n_bars)))
    high, low = np.maximum(open_, close) * wick[0], np.minimum(open_, close) / wick[1]
    volume = 100.0 * generator.exponential(size=n_bars)
    volume[generator.random(n_bars) < draw(st.sampled_from([0.0, 0.3]))] = 0.0
    change = draw(st.sampled_from([0.3, 1.0, 20.0])) * generator.uniform(-1, 1, n_bars) * 100.0
    open_interest = np.maximum(1000.0 + np.cumsum(change), 0.0)
    open_interest[generator.random(n_bars) < draw(st.sampled_from([0.0, 0.1]))] = 0.0
    mark_high = np.maximum(high * (1.0 + 0.3 * step * generator.standard_normal(n_bars)), low)
    mark_low = np.minimum(low * (1.0 + 0.3 * step * generator.standard_normal(n_bars)), mark_high)
    no_mark = generator.random(n_bars) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    taker_buy = np.where(
        generator.random(n_bars) < draw(st.sampled_from([0.0, 0.5])),
        np.nan,
        volume * generator.random(n_bars),
    )
    return Bars(
        open=open_,
        high=high,
        low=low,
        close=close,
        mark_high=np.where(no_mark, np.nan, mark_high),
        mark_low=np.where(no_mark, np.nan, mark_low),
        volume=volume,
        taker_buy=taker_buy,
        open_interest=open_interest,
        is_imputed=generator.random(n_bars) < 0.2,
        has_gap_before=generator.random(n_bars) < 0.2,
        bar_seconds=300,
    )


def dense_of(parameters, bars, emits, brackets, kind="linear"):
    assumed = density_parameters(parameters, brackets, kind)
    return dense_density(bars, emits, assumed, parameters.turnover_ratio)


def mirrored(bars):
    """Return the bars of the reciprocal price."""
    return dataclasses.replace(
        bars,
        open=1.0 / bars.open,
        high=1.0 / bars.low,
        low=1.0 / bars.high,
        close=1.0 / bars.close,
        mark_high=1.0 / bars.mark_low,
        mark_low=1.0 / bars.mark_high,
        taker_buy=bars.volume - bars.taker_buy,
    )
