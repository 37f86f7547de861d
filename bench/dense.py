"""The density model written plainly: whole grid, every bar, numpy only.

It follows the four steps of a bar word by word and shares no code with the compiled kernel. The
benchmark times the kernel against it, and tests check the kernel by it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.grid import LOG_STEP
from transforms.series import Bars

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DenseResult:
    """What stands, and what happened, bar by bar.

    Parameters
    ----------
    first_node : int
        Grid node of the first column.
    standing : ndarray, shape (n_emits, 2, n_tiers, n_nodes)
        After each bar asked for [quantity].
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


def dense_density(
    bars: Bars,
    emit_after: npt.NDArray[np.int64],
    *,
    log_offsets: FloatArray,
    weights: FloatArray,
    hazards: FloatArray,
    entry_weights: FloatArray,
    turnover_ratio: float,
    uses_mark: bool = True,
) -> DenseResult:
    """Return the densities that the model's four steps give, from the first bar of a series.

    Parameters
    ----------
    bars : Bars
        All bars of the series.
    emit_after : ndarray of int64, shape (n_emits,)
        Bars after which the density is kept.
    log_offsets : ndarray, shape (2, n_tiers)
        Liquidation less entry [ln].
    weights : ndarray, shape (3, n_tiers + 1)
        Shares of fresh positions, unlevered last: plain, takers', makers'; takers' and makers'
        are used where takers' volume is known [ratio].
    hazards : ndarray, shape (n_tiers + 1,)
        [1/day]
    entry_weights : ndarray, shape (4,)
        Shares at open, high, low and close [ratio].
    turnover_ratio : float
        Share of churn that turns positions over [ratio].
    uses_mark : bool
        Whether the mark price liquidates.

    Returns
    -------
    DenseResult
        As described there.
    """
    n_bars, n_tiers = len(bars), log_offsets.shape[1]
    entries = np.log(np.stack([bars.open, bars.high, bars.low, bars.close], axis=1))
    first_node = int(np.floor((entries.min() + log_offsets.min()) / LOG_STEP)) - 1
    last_node = int(np.floor((entries.max() + log_offsets.max()) / LOG_STEP)) + 2
    node_logs = np.arange(first_node, last_node + 1) * LOG_STEP
    density, start_up = np.zeros((2, 2, n_tiers, len(node_logs)))
    unlevered, start_up_unlevered = np.zeros((2, 2))
    consumed, swept, excess = np.zeros((3, n_bars, 2))
    balance = np.full((n_bars, 2), np.nan)
    kept = []
    wanted = set(emit_after.tolist())
    open_interest = 0.0
    for bar in range(n_bars):
        change = bars.open_interest[bar] - open_interest
        open_interest = bars.open_interest[bar]
        buy_ratio = np.nan
        if bars.volume[bar] > 0.0:
            buy_ratio = min(bars.taker_buy[bar] / bars.volume[bar], 1.0)
        volume = max(bars.volume[bar], abs(change))
        turned = turnover_ratio * (volume - abs(change)) / 2.0
        opened, closed = max(change, 0.0) + turned, max(-change, 0.0) + turned
        if np.isnan(buy_ratio):
            shares = np.stack([weights[0], weights[0]])
        else:
            taker = np.array([[buy_ratio], [1.0 - buy_ratio]])
            shares = taker * weights[1] + (1.0 - taker) * weights[2]
        positions = (entries[bar][:, None, None] + log_offsets) / LOG_STEP - first_node
        close = entries[bar, 3] / LOG_STEP - first_node
        is_swept = np.stack([positions[:, 0] >= close, positions[:, 1] <= close], axis=1)
        if bar == 0:
            opened, closed = 0.0, 0.0
        else:
            fresh = opened * entry_weights[:, None, None] * shares[:, :-1]
            swept[bar] = np.where(is_swept, fresh, 0.0).sum(axis=(0, 2))
            low, high = bars.low[bar], bars.high[bar]
            if uses_mark and not np.isnan(bars.mark_low[bar] + bars.mark_high[bar]):
                low, high = bars.mark_low[bar], bars.mark_high[bar]
            first_long = np.searchsorted(node_logs, np.log(low), side="left")
            after_short = np.searchsorted(node_logs, np.log(high), side="right")
            for side, hit in enumerate((slice(first_long, None), slice(None, after_short))):
                consumed[bar, side] = density[side, :, hit].sum()
                density[side, :, hit] = 0.0
                start_up[side, :, hit] = 0.0
            left = consumed[bar] + swept[bar]
            excess[bar] = np.maximum(left - closed, 0.0)
            for side in range(2):
                masses = np.append(density[side].sum(axis=1), unlevered[side])
                leaving = max(closed - left[side], 0.0)
                if leaving > 0.0 and masses.sum() > 0.0:
                    stay = _shares_that_stay(masses, hazards, leaving)
                    for each in (density, start_up):
                        each[side] *= stay[:-1, None]
                    for each in (unlevered, start_up_unlevered):
                        each[side] *= stay[-1]
        for side in range(2):
            own = density[side], unlevered[side : side + 1]
            place = positions[:, side], entry_weights
            _deposit(*own, opened, shares[side], *place, is_swept[:, side])
            total = density[side].sum() + unlevered[side]
            if total > 0.0:
                factor = open_interest / total
                for each in (density, unlevered, start_up, start_up_unlevered):
                    each[side] *= factor
                balance[bar, side] = factor if open_interest > 0.0 and bar > 0 else np.nan
            elif open_interest > 0.0:
                _deposit(
                    *own, open_interest, shares[side], *place, np.zeros_like(is_swept[:, side])
                )
                start_up[side], start_up_unlevered[side] = density[side], unlevered[side]
        if bar in wanted:
            now = (density, unlevered, start_up, start_up_unlevered)
            kept.append([each.copy() for each in now])
    order = np.searchsorted(sorted(wanted), emit_after)
    standing, held_unlevered, held_start_up, held_start_up_unlevered = (
        np.array(each)[order] for each in zip(*kept, strict=True)
    )
    return DenseResult(
        first_node=first_node,
        standing=standing,
        unlevered=held_unlevered,
        start_up=held_start_up,
        start_up_unlevered=held_start_up_unlevered,
        consumed=consumed,
        swept=swept,
        excess=excess,
        balance=balance,
    )
