"""What the recursions over bars read.

Belongs here: parameters and bars as callers give them, and the tuples that compiled steps take.
Does not belong here: the positions themselves (``tier_rows``) and what is written at an instant
(``emit``).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transforms.density.tier_rows import node_prices
from transforms.grid import LOG_STEP
from transforms.series import Bars, BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class DensityParameters:
    """What an estimator assumes, as arrays.

    Parameters
    ----------
    log_offsets : ndarray of float64, shape (2, n_tiers)
        ``margin.tier_log_offsets`` [ln].
    weights : ndarray of float64, shape (3, n_tiers + 1)
        Shares of fresh positions per tier, unlevered last: plain, takers', makers' [ratio].
    hazards : ndarray of float64, shape (n_tiers + 1,)
        Rate at which positions close voluntarily, unlevered last [1/day].
    entry_weights : ndarray of float64, shape (4,)
        Shares entered at open, high, low and close [ratio].
    uses_mark : bool
        Whether the mark price liquidates, where it is known.
    uses_taker : bool
        Whether takers' and makers' shares differ, where takers' volume is known.
    is_inverse : bool
        Whether quantity is USD.
    """

    log_offsets: FloatArray
    weights: FloatArray
    hazards: FloatArray
    entry_weights: FloatArray
    uses_mark: bool = True
    uses_taker: bool = False
    is_inverse: bool = False


@dataclass(frozen=True, slots=True)
class Flows:
    """Opens and closes of each bar, equal for longs and shorts.

    Parameters
    ----------
    opened, closed : ndarray of float64, shape (n_bars,)
        [quantity]; those of a series' first bar are not used.
    is_violation : ndarray of bool, shape (n_bars,)
        Bars whose change of open interest cannot be.
    """

    opened: FloatArray
    closed: FloatArray
    is_violation: BoolArray


class KernelParameters(NamedTuple):
    """What holds for all bars of a call.

    Parameters
    ----------
    offset_steps : ndarray of float64, shape (2, n_tiers)
        Liquidation less entry [nodes].
    weights, hazards, entry_weights : ndarray of float64
        As in ``DensityParameters``.
    first_node : int
        Grid node of the window's first column.
    prices : ndarray of float64, shape (n_nodes,)
        ``node_prices`` of the window [USD per unit of the asset].
    is_inverse : bool
        Whether quantity is USD.
    """

    offset_steps: FloatArray
    weights: FloatArray
    hazards: FloatArray
    entry_weights: FloatArray
    first_node: int
    prices: FloatArray
    is_inverse: bool


class KernelBars(NamedTuple):
    """Columns of bars; NaN for what is not observed or not used.

    Parameters
    ----------
    prices : ndarray of float64, shape (6, n_bars)
        [USD per unit of the asset].
    flows : ndarray of float64, shape (4, n_bars)
        [ratio; quantity].
    flags : ndarray of bool, shape (2, n_bars)
        As in ``Flows`` and ``Bars``.
    """

    prices: FloatArray
    flows: FloatArray
    flags: BoolArray


def kernel_parameters_of(
    parameters: DensityParameters, first_node: int, n_nodes: int
) -> KernelParameters:
    """Return an estimator's parameters in a window.

    Parameters
    ----------
    parameters : DensityParameters
        What the estimator assumes.
    first_node, n_nodes : int
        Window on the grid.

    Returns
    -------
    KernelParameters
        Offsets in nodes.

    Examples
    --------
    >>> offsets = np.array([[-0.1], [0.1]])
    >>> parameters = DensityParameters(offsets, np.ones((3, 2)), np.ones(2), np.full(4, 0.25))
    >>> kernel_parameters_of(parameters, 0, 2).offset_steps.tolist()
    [[-100.0], [100.0]]
    """
    return KernelParameters(
        offset_steps=parameters.log_offsets / LOG_STEP,
        weights=parameters.weights,
        hazards=parameters.hazards,
        entry_weights=parameters.entry_weights,
        first_node=first_node,
        prices=node_prices(first_node, n_nodes),
        is_inverse=parameters.is_inverse,
    )


def columns_of(
    bars: Bars, flows: Flows, parameters: DensityParameters, *, is_trail: bool = False
) -> KernelBars:
    """Return what the kernel reads of bars; NaN for what is not known or not used.

    Parameters
    ----------
    bars : Bars
        Bars of one series.
    flows : Flows
        What opens and closes in them.
    parameters : DensityParameters
        What the estimator assumes.
    is_trail : bool
        Whether the bars come before the first open interest.

    Returns
    -------
    KernelBars
        Columns of the bars.

    Examples
    --------
    >>> one = np.ones(1)
    >>> bars = Bars(*[one] * 9, one < 0, one < 0, bar_seconds=300)
    >>> flows = Flows(one, one, one < 0)
    >>> parameters = DensityParameters(np.zeros((2, 1)), one, one, one, uses_mark=False)
    >>> columns_of(bars, flows, parameters).prices[4].tolist()
    [nan]
    """
    unknown = np.full(len(bars), np.nan)
    buy_ratio = unknown
    if parameters.uses_taker:
        is_known = bars.volume > 0.0
        buy_ratio = np.divide(bars.taker_buy, bars.volume, out=unknown.copy(), where=is_known)
        buy_ratio = np.minimum(buy_ratio, 1.0)
    marks = (bars.mark_high, bars.mark_low) if parameters.uses_mark else (unknown, unknown)
    open_interest = unknown if is_trail else bars.open_interest
    return KernelBars(
        prices=np.stack([bars.open, bars.high, bars.low, bars.close, *marks]),
        flows=np.stack([buy_ratio, flows.opened, flows.closed, open_interest]),
        flags=np.stack([flows.is_violation, bars.is_imputed]),
    )
