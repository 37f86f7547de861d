"""The density model written plainly: whole grid, every bar, numpy only.

It follows the four steps of a bar to the letter and shares no code with the compiled kernel. The
benchmark times the kernel against it, and tests check the kernel by it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.density import DensityParameters
from transforms.grid import LOG_STEP
from transforms.series import Bars

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DenseResult:
    """Positions, and what happened, bar by bar.

    Parameters
    ----------
    first_node : int
        Grid node of the first column.
    standing : ndarray, shape (n_emits, 2, n_tiers, n_nodes)
        After each bar in `emit_after` [quantity].
    unlevered : ndarray, shape (n_emits, 2)
        [quantity]
    start_up, start_up_unlevered : ndarray, shapes of standing and unlevered
        The part of them that is start-up mass [quantity].
    consumed, swept, excess : ndarray, shape (n_bars, 2)
        [quantity]
    balance : ndarray, shape (n_bars, 2)
        [ratio]
    """

    first_node: int
    standing: FloatArray
    unlevered: FloatArray
    start_up: FloatArray
    start_up_unlevered: FloatArray
    consumed: FloatArray
    swept: FloatArray
    excess: FloatArray
    balance: FloatArray


def _shares_that_stay(masses: FloatArray, hazards: FloatArray, closed: float) -> FloatArray:
    """Return exp(-hazard theta) such that `closed` leaves, by Newton's method from 0."""
    before = masses.sum()
    target = max(before - closed, 1e-9 * before)
    theta = 0.0
    for _ in range(1000):
        staying = masses * np.exp(-hazards * theta)
        step = (staying.sum() - target) / (staying @ hazards)
        theta += step
        # Convergence is quadratic: the step after this one would be below rounding.
        if abs(step) <= 1e-9 * theta:
            break
    return np.exp(-hazards * theta)


def _deposit(
    density: FloatArray,
    unlevered: FloatArray,
    quantity: float,
    shares: FloatArray,
    positions: FloatArray,
    entry_weights: FloatArray,
    is_swept: npt.NDArray[np.bool_],
) -> None:
    """Add fresh positions of one side, at positions (4, n_tiers) in nodes of `density`."""
    node = np.floor(positions).astype(np.int64)
    fraction = positions - node
    tier = np.broadcast_to(np.arange(positions.shape[1]), positions.shape)
    amount = np.where(is_swept, 0.0, quantity * entry_weights[:, None] * shares[:-1])
    np.add.at(density, (tier, node), amount * (1.0 - fraction))
    np.add.at(density, (tier, node + 1), amount * fraction)
    unlevered += quantity * shares[-1]


@dataclass
class _Held:
    """Positions on the whole grid, and the part of them that is start-up mass, by side."""

    density: FloatArray
    unlevered: FloatArray
    start_up: FloatArray
    start_up_unlevered: FloatArray

    def scale(self, side: int, factors: FloatArray) -> None:
        """Multiply each tier of a side and its unlevered part, the last, by a factor."""
        for density in (self.density, self.start_up):
            density[side] *= factors[:-1, None]
        for unlevered in (self.unlevered, self.start_up_unlevered):
            unlevered[side] *= factors[-1]

    def masses(self, side: int) -> FloatArray:
        """Return the quantity of each tier, unlevered last."""
        return np.append(self.density[side].sum(axis=1), self.unlevered[side])

    def copies(self) -> list[FloatArray]:
        """Return all four arrays as they are."""
        held = (self.density, self.unlevered, self.start_up, self.start_up_unlevered)
        return [each.copy() for each in held]


def _flows(bars: Bars, bar: int, before: float, turnover_ratio: float) -> tuple[float, float]:
    """Return what opens and closes on each side."""
    change = bars.open_interest[bar] - before
    volume = max(bars.volume[bar], abs(change))
    turned = turnover_ratio * (volume - abs(change)) / 2.0
    return max(change, 0.0) + turned, max(-change, 0.0) + turned


def _shares(bars: Bars, bar: int, parameters: DensityParameters) -> FloatArray:
    """Return the shares of fresh longs and shorts per tier, unlevered last."""
    weights = parameters.weights
    buy_ratio = np.nan
    if bars.volume[bar] > 0.0 and parameters.uses_taker:
        buy_ratio = min(bars.taker_buy[bar] / bars.volume[bar], 1.0)
    if np.isnan(buy_ratio):
        return np.stack([weights[0], weights[0]])
    taker = np.array([[buy_ratio], [1.0 - buy_ratio]])
    shares: FloatArray = taker * weights[1] + (1.0 - taker) * weights[2]
    return shares


def _clear(held: _Held, bars: Bars, bar: int, node_logs: FloatArray, uses_mark: bool) -> FloatArray:
    """Remove what the bar's prices liquidate; return how much, by side."""
    low, high = bars.low[bar], bars.high[bar]
    if uses_mark and not np.isnan(bars.mark_low[bar] + bars.mark_high[bar]):
        low, high = bars.mark_low[bar], bars.mark_high[bar]
    first_long = np.searchsorted(node_logs, np.log(low), side="left")
    after_short = np.searchsorted(node_logs, np.log(high), side="right")
    consumed = np.zeros(2)
    for side, hit in enumerate((slice(first_long, None), slice(None, after_short))):
        consumed[side] = held.density[side, :, hit].sum()
        held.density[side, :, hit] = 0.0
        held.start_up[side, :, hit] = 0.0
    return consumed


def dense_density(
    bars: Bars,
    emit_after: npt.NDArray[np.int64],
    parameters: DensityParameters,
    turnover_ratio: float,
) -> DenseResult:
    """Return the densities that the model's four steps give, from the first bar of a series.

    Parameters
    ----------
    bars : Bars
        All bars of the series.
    emit_after : ndarray of int64, shape (n_emits,)
        Bars after which the density is kept.
    parameters : DensityParameters
        What is assumed; takers' and makers' weights are used where takers' volume is known.
    turnover_ratio : float
        Share of churn that turns positions over [ratio].
    """
    log_offsets, entry_weights = parameters.log_offsets, parameters.entry_weights
    n_bars, n_tiers = len(bars), log_offsets.shape[1]
    entries = np.log(np.stack([bars.open, bars.high, bars.low, bars.close], axis=1))
    first_node = int(np.floor((entries.min() + log_offsets.min()) / LOG_STEP)) - 1
    last_node = int(np.floor((entries.max() + log_offsets.max()) / LOG_STEP)) + 2
    node_logs = np.arange(first_node, last_node + 1) * LOG_STEP
    density, start_up = np.zeros((2, 2, n_tiers, len(node_logs)))
    held = _Held(density, np.zeros(2), start_up, np.zeros(2))
    consumed, swept, excess = np.zeros((3, n_bars, 2))
    balance = np.full((n_bars, 2), np.nan)
    kept = []
    wanted = set(emit_after.tolist())
    for bar in range(n_bars):
        open_interest = bars.open_interest[bar]
        opened, closed = 0.0, 0.0
        shares = _shares(bars, bar, parameters)
        positions = (entries[bar][:, None, None] + log_offsets) / LOG_STEP - first_node
        close = entries[bar, 3] / LOG_STEP - first_node
        is_swept = np.stack([positions[:, 0] >= close, positions[:, 1] <= close], axis=1)
        if bar > 0:
            opened, closed = _flows(bars, bar, bars.open_interest[bar - 1], turnover_ratio)
            fresh = opened * entry_weights[:, None, None] * shares[:, :-1]
            swept[bar] = np.where(is_swept, fresh, 0.0).sum(axis=(0, 2))
            consumed[bar] = _clear(held, bars, bar, node_logs, parameters.uses_mark)
        left = consumed[bar] + swept[bar]
        excess[bar] = np.maximum(left - closed, 0.0)
        for side in range(2):
            masses, leaving = held.masses(side), closed - left[side]
            if leaving > 0.0 and masses.sum() > 0.0:
                held.scale(side, _shares_that_stay(masses, parameters.hazards, leaving))
            own = held.density[side], held.unlevered[side : side + 1]
            place = positions[:, side], entry_weights
            _deposit(*own, opened, shares[side], *place, is_swept[:, side])
            total = held.masses(side).sum()
            if total > 0.0:
                held.scale(side, np.full(n_tiers + 1, open_interest / total))
                if open_interest > 0.0 and bar > 0:
                    balance[bar, side] = open_interest / total
            elif open_interest > 0.0:
                none = np.zeros_like(is_swept[:, side])
                _deposit(*own, open_interest, shares[side], *place, none)
                held.start_up[side] = held.density[side]
                held.start_up_unlevered[side] = held.unlevered[side]
        if bar in wanted:
            kept.append(held.copies())
    order = np.searchsorted(sorted(wanted), emit_after)
    emitted = (np.array(each)[order] for each in zip(*kept, strict=True))
    return DenseResult(first_node, *emitted, consumed, swept, excess, balance)
