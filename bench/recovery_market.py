"""Series of a simulated market whose truth is known, as fits and scores read them.

Belongs here: markets in which something can be recovered or cannot, their bars, panels and
exposures. Does not belong here: what is recovered from them (`bench.recovery`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from bench.stopwatch import START
from sources.simulated import MarketParameters, TraderConduct
from sources.simulated.market import measure_days
from sources.simulated.parameters import ASSETS, REALISTIC_CONDUCT, VENUES
from transforms.engine import run
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.ledger import LEDGERS, advance
from transforms.margin import Brackets
from transforms.path_only import PATH_ONLY, PATH_ONLY_BRACKETS, hold_constant
from transforms.series import Bars, FloatArray
from transforms.skill.panel import Panel

BARS_PER_HOUR: Final = 12
HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR

ASSET: Final = ASSETS[0]
BRACKETS: Final = Brackets.from_ratios(
    [0.0], [ASSET.maintenance_margin_ratio], [ASSET.max_leverage]
)

VENUE: Final = VENUES[0]
_LEVERED: Final = [tier for tier in VENUE.leverage_mix if tier.leverage > 1.0]
_UNLEVERED: Final = next(tier for tier in VENUE.leverage_mix if tier.leverage == 1.0)

KNOWN: Final = replace(
    ESTIMATORS["turnover"],
    provider="known",
    leverages=tuple(tier.leverage for tier in _LEVERED),
    weights=tuple(tier.weight_ratio for tier in _LEVERED),
    half_lives_days=tuple(tier.half_life_hours / 24.0 for tier in _LEVERED),
    unlevered_share=_UNLEVERED.weight_ratio,
    unlevered_half_life_days=_UNLEVERED.half_life_hours / 24.0,
    turnover_ratio=0.1,
)
"""The estimator that assumes what is true of the venue: its mix, its half-lives, and that a tenth
of volume turns positions over (daily volume is 4.2 of open interest, of which .41 opens)."""


@dataclass(frozen=True, slots=True)
class SimulatedSeries:
    """One contract as seen, and what was liquidated.

    Parameters
    ----------
    bars : Bars
        Five-minute bars.
    realised_usd : ndarray of float64, shape (n_hours, 2)
        Liquidations that the feed publishes, by hour and side [USD].
    """

    bars: Bars
    realised_usd: FloatArray

    @property
    def hour_ends(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """End of each hour since the start [us], shape (n_hours,)."""
        return np.arange(1, len(self.realised_usd) + 1) * HOUR

    @property
    def last_bars(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Last bar of each hour, shape (n_hours,)."""
        return np.arange(BARS_PER_HOUR - 1, len(self.bars), BARS_PER_HOUR)


def market(
    seed: int, days: float = 90.0, *, conduct: TraderConduct | None = None, **given: float
) -> MarketParameters:
    """Return a market of one asset on the venue whose mix estimators take for granted."""
    return MarketParameters(
        start=START,
        days=days,
        seed=seed,
        venues=(VENUE,),
        assets=(ASSET,),
        conduct=conduct or TraderConduct(),
        **given,  # type: ignore[arg-type]
    )


def bursty_market(seed: int, days: float = 90.0) -> MarketParameters:
    """Return a market in which positions open in bursts, so that open interest places them."""
    return market(seed, days, appetite_log_deviation=1.5)


def realistic_series_market(seed: int, days: float = 90.0) -> MarketParameters:
    """Return the same with hedges, cross margin, margin calls, cuts and a drifting mix."""
    return market(seed, days, conduct=REALISTIC_CONDUCT)


def simulate_series(parameters: MarketParameters) -> SimulatedSeries:
    """Return what is seen of the first contract of a market."""
    spans = [span.measured[0] for span in measure_days(parameters)]
    lot = spans[0][0].contract.lot_quantity

    def joined(name: str) -> FloatArray:
        return np.concatenate([getattr(measured, name) for _, measured in spans]).astype(np.float64)

    last, mark = joined("last"), joined("mark")
    never = np.zeros(len(last), dtype=np.bool_)
    bars = Bars(
        open=last[:, 0], high=last[:, 1], low=last[:, 2], close=last[:, 3],
        mark_high=mark[:, 1], mark_low=mark[:, 2],
        volume=joined("volume_lots") * lot, taker_buy=joined("taker_buy_lots") * lot,
        open_interest=joined("book_lots")[:, 0] * lot,
        is_imputed=never, has_gap_before=never, bar_seconds=300,
    )  # fmt: skip
    return SimulatedSeries(bars, by_hour(joined("published_usd")).sum(axis=1))


def by_hour(values: FloatArray) -> FloatArray:
    """Return bars grouped by hour, shape (n_hours, 12, ...)."""
    return values.reshape(-1, BARS_PER_HOUR, *values.shape[1:])


def hourly_bars(bars: Bars) -> Bars:
    """Return bars of an hour each, on which ledgers run."""
    never = np.zeros(len(bars) // BARS_PER_HOUR, dtype=np.bool_)
    return Bars(
        open=by_hour(bars.open)[:, 0], high=by_hour(bars.high).max(axis=1),
        low=by_hour(bars.low).min(axis=1), close=by_hour(bars.close)[:, -1],
        mark_high=by_hour(bars.mark_high).max(axis=1), mark_low=by_hour(bars.mark_low).min(axis=1),
        volume=by_hour(bars.volume).sum(axis=1), taker_buy=by_hour(bars.taker_buy).sum(axis=1),
        open_interest=by_hour(bars.open_interest)[:, -1],
        is_imputed=never, has_gap_before=never, bar_seconds=3600,
    )  # fmt: skip


def consumed(
    parameters: EstimatorParameters, bars: Bars, brackets: Brackets = BRACKETS
) -> FloatArray:
    """Return predicted liquidations of each hour, side and tier [USD], shape (n_hours, 2, n)."""
    last_bars = np.arange(BARS_PER_HOUR - 1, len(bars), BARS_PER_HOUR)
    _, outputs = run(parameters, bars, last_bars, brackets=brackets)
    return outputs.consumed_usd + outputs.swept_usd


def with_positions_of(series: SimulatedSeries, other: SimulatedSeries) -> SimulatedSeries:
    """Return a series whose volume and open interest are those of another market.

    What they say of where positions were opened is then wrong: only the path of price is true.
    """
    bars = replace(
        series.bars, volume=other.bars.volume, taker_buy=other.bars.taker_buy,
        open_interest=other.bars.open_interest,
    )  # fmt: skip
    return replace(series, bars=bars)


def panel_of(series: SimulatedSeries, parameters: EstimatorParameters = KNOWN) -> Panel:
    """Return a panel with the exposures of one estimator, of `path_only` and of `path_ledger`."""
    hours = hourly_bars(series.bars)
    n_hours = len(hours)
    every = np.ones(n_hours, dtype=np.bool_)
    _, ledger = advance(LEDGERS["path_ledger"], hours, np.arange(n_hours))
    exposures: Mapping[str, FloatArray] = {
        parameters.provider: consumed(parameters, series.bars),
        "path_only": consumed(PATH_ONLY, hold_constant(series.bars), PATH_ONLY_BRACKETS),
        "path_ledger": ledger.exposure,
    }
    return Panel(
        span_end=series.hour_ends,
        span_seconds=3600,
        realised_usd=series.realised_usd,
        is_complete=every,
        is_left_out=~every,
        open=hours.open,
        high=hours.high,
        low=hours.low,
        close=hours.close,
        previous_close=np.concatenate([hours.open[:1], hours.close[:-1]]),
        volume_usd=hours.volume * hours.close,
        open_interest_usd=hours.open_interest * hours.close,
        exposures=exposures,
        log_age=ledger.log_age,
        asset=ASSET.name,
    )
