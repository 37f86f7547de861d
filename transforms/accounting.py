"""The books of a bar: what opened, what closed, and what cannot be.

Belongs here: the relation between volume, change of open interest, opens and closes, and the
filling of open interest that was not observed. Does not belong here: liquidation prices.

Over one bar with volume ``V`` (each trade counted once) and change of open interest ``D``, buys
open longs or close shorts and sells open shorts or close longs. With ``o`` opened, ``c`` closed::

    o_long + c_short = V      o_short + c_long = V      o_long - c_long = o_short - c_short = D

so ``o_long + o_short = V + D`` and ``c_long + c_short = V - D``. Neither can be negative, hence
``|D| <= V`` always. ``V - |D|`` is churn: volume that left open interest unchanged.
"""

import numpy as np
import numpy.typing as npt

from transforms.errors import InvalidInput

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def opens_and_closes(
    volume: npt.ArrayLike, change: npt.ArrayLike, turnover_ratio: float
) -> tuple[FloatArray, FloatArray]:
    """Return what opened and what closed on each side in each bar.

    Of the churn ``V - |D|``, the share `turnover_ratio` turned positions over (one side opens what
    the same side of another hand closes); the rest went to and fro between the same hands. Volume
    below ``|D|`` is raised to it: at least that much must have traded.

    Parameters
    ----------
    volume : array_like of float, shape (n_bars,)
        Volume ``V``, each trade once [quantity].
    change : array_like of float, shape (n_bars,)
        Change of open interest ``D`` over the bar [quantity].
    turnover_ratio : float
        Share of churn that turned positions over [ratio], 0 to 1.

    Returns
    -------
    opened, closed : ndarray of float64, shape (n_bars,)
        Opens and closes of each side, equal for longs and shorts [quantity]. NaN where an input
        is NaN.

    Raises
    ------
    InvalidInput
        If `turnover_ratio` is not within 0 to 1.

    Examples
    --------
    >>> opened, closed = opens_and_closes([10.0, 10.0], [4.0, -4.0], 0.5)
    >>> opened.tolist(), closed.tolist()
    ([5.5, 1.5], [1.5, 5.5])
    """
    if not 0.0 <= turnover_ratio <= 1.0:
        raise InvalidInput(f"turnover_ratio is {turnover_ratio}, expected a share within 0 to 1")
    changed = np.asarray(change, dtype=np.float64)
    churn = np.maximum(np.asarray(volume, dtype=np.float64) - np.abs(changed), 0.0)
    turned = 0.5 * turnover_ratio * churn
    return np.maximum(changed, 0.0) + turned, np.maximum(-changed, 0.0) + turned


def is_violation(
    volume: npt.ArrayLike, change: npt.ArrayLike, has_gap_before: npt.ArrayLike = False
) -> BoolArray:
    """Return which bars cannot be: open interest changed by more than was traded.

    Such a bar means a unit error, a stamp that lags, or open interest that was misreported
    (plausibility of venues' open interest: arXiv 2310.14973).

    Parameters
    ----------
    volume : array_like of float, shape (n_bars,)
        Volume, each trade once [quantity].
    change : array_like of float, shape (n_bars,)
        Change of open interest over the bar [quantity].
    has_gap_before : array_like of bool, shape (n_bars,) or ()
        Bars after missing ones: their change spans more than their volume, so it says nothing.

    Returns
    -------
    ndarray of bool, shape (n_bars,)
        True where ``|D| > V``. False where an input is NaN.

    Examples
    --------
    >>> is_violation([5.0, 5.0], [-6.0, 5.0]).tolist()
    [True, False]
    """
    exceeds = np.abs(np.asarray(change, np.float64)) > np.asarray(volume, np.float64)
    return exceeds & ~np.asarray(has_gap_before, dtype=np.bool_)


def impute_open_interest(
    open_interest: npt.ArrayLike,
    volume: npt.ArrayLike,
    previous_open_interest: float = float("nan"),
) -> tuple[FloatArray, BoolArray]:
    """Return open interest without holes, and where it was filled.

    Between two observations, the change is spread over the bars by their volume (equally where
    nothing was traded): positions change where trades happen. After the last observation the last
    value is held. Before the first observation nothing is known and NaN stays.

    Parameters
    ----------
    open_interest : array_like of float, shape (n_bars,)
        Open interest at the end of each bar [quantity]. NaN: not observed.
    volume : array_like of float, shape (n_bars,)
        Volume of each bar [quantity]. NaN counts as 0.
    previous_open_interest : float
        Open interest at the end of the bar before the first [quantity]. NaN: not known.

    Returns
    -------
    filled : ndarray of float64, shape (n_bars,)
        Open interest at the end of each bar [quantity].
    is_imputed : ndarray of bool, shape (n_bars,)
        True where `filled` holds a value that was not observed.

    Raises
    ------
    InvalidInput
        If the shapes differ.

    Notes
    -----
    A value held at the end changes as soon as the next observation arrives. A caller that stored
    results then replays from the first bar of the hole.

    Examples
    --------
    >>> observed, traded = [10.0, np.nan, 14.0, np.nan], [9.0, 3.0, 1.0, 2.0]
    >>> filled, is_imputed = impute_open_interest(observed, traded)
    >>> filled.tolist()
    [10.0, 13.0, 14.0, 14.0]
    >>> is_imputed.tolist()
    [False, True, False, True]
    """
    observed = np.asarray(open_interest, dtype=np.float64)
    traded = np.nan_to_num(np.asarray(volume, dtype=np.float64), nan=0.0)
    if observed.shape != traded.shape or observed.ndim != 1:
        raise InvalidInput(
            f"open_interest has shape {observed.shape} and volume {traded.shape}; "
            "expected the same one-dimensional shape (n_bars,)"
        )
    # The value before the first bar takes part as an observation of a bar -1 without volume.
    values = np.concatenate(([previous_open_interest], observed))
    weight = np.concatenate(([0.0], traded))
    known = np.flatnonzero(~np.isnan(values))
    filled = values.copy()
    if len(known):
        filled[known[-1] :] = values[known[-1]]
    for before_hole in np.flatnonzero(np.diff(known) > 1):
        left, right = known[before_hole], known[before_hole + 1]
        share = np.cumsum(weight[left + 1 : right + 1])
        if share[-1] == 0.0:
            share = np.arange(1.0, right - left + 1)
        change = values[right] - values[left]
        filled[left + 1 : right] = values[left] + change * (share[:-1] / share[-1])
    is_imputed = np.isnan(observed) & ~np.isnan(filled[1:])
    return filled[1:], is_imputed
