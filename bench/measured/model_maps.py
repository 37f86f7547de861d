"""Maps of every estimator and ledger at some instants, from recorded hours.

Belongs here: running the models. Does not belong here: reading hours (``recorded``).
"""

from typing import Final

import numpy as np

from bench.accuracy.panels import LEVERAGE_MODELS, TRAIL_DAYS, to_model_bars
from bench.accuracy.recorded import HOUR, HourlyBars, fill_volume
from transforms.accounting import impute_open_interest
from transforms.engine import run, start_state
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.ledger import LEDGERS, advance
from transforms.ledger.shipped import SHIPPED
from transforms.maps import MapBatch, align_maps
from transforms.path_only import PATH_ONLY, PATH_ONLY_BRACKETS, hold_constant
from transforms.series import Float32Array, FloatArray, IntArray

MODELS: Final = (*LEVERAGE_MODELS, PATH_ONLY.provider, *LEDGERS)
"""In the order of the tables; the last three have a shape and no total."""


def model_windows(
    bars: HourlyBars, asset: str, at: IntArray, price: FloatArray
) -> dict[str, FloatArray]:
    """Return the maps of every model at the end of the last whole hour before some instants.

    Parameters
    ----------
    bars : HourlyBars
        Hours of one venue.
    asset : str
    at : ndarray of int64, shape (n,)
        Instants [microseconds since 1970, UTC].
    price : ndarray of float64, shape (n,)
        Prices to look from [USD per unit of the asset].

    Returns
    -------
    dict of ndarray of float64, shape (n, 2, n_window_bins)
        Within 20 % of price, by model [USD; of the last three any unit].
    """
    volume, _ = fill_volume(bars)
    known = np.isfinite(bars.open_interest)
    first = int(np.argmax(known))
    filled, _ = impute_open_interest(bars.open_interest[first:], volume[first:])
    model_bars = to_model_bars(bars, volume, np.concatenate((np.zeros(first), filled)))
    emits = np.searchsorted(bars.bar_end, at, side="right") - 1
    trail_start = int(
        np.searchsorted(bars.bar_end, bars.bar_end[first] - TRAIL_DAYS * 24 * HOUR, side="right")
    )
    trail = model_bars.part(trail_start, first)
    brackets = default_brackets(asset)
    windows: dict[str, FloatArray] = {}
    for name in LEVERAGE_MODELS:
        parameters = ESTIMATORS[name]
        state = start_state(parameters, trail, brackets=brackets) if len(trail) else None
        _, made = run(
            parameters, model_bars.part(first, len(bars)), emits - first, brackets=brackets,
            state=state,
        )  # fmt: skip
        windows[name] = _windows(made.liquidation_usd, made.first_bin, made.n_bins, price)
    _, still = run(PATH_ONLY, hold_constant(model_bars), emits, brackets=PATH_ONLY_BRACKETS)
    windows[PATH_ONLY.provider] = _windows(
        still.liquidation_usd, still.first_bin, still.n_bins, price
    )
    for name, ledger in LEDGERS.items():
        weights = SHIPPED[f"{name}:large"].weights
        _, held = advance(ledger, model_bars, emits, weights=weights)
        windows[name] = _windows(held.map, held.first_bin, held.n_bins, price)
    return windows


def _windows(
    values: Float32Array, first_bin: IntArray, n_bins: IntArray, price: FloatArray
) -> FloatArray:
    """Return dense maps within 20 % of prices, shape (n, 2, n_window_bins)."""
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(n_bins)))
    sides = []
    for side in range(values.shape[1]):
        flat = np.concatenate([row[side, :n] for row, n in zip(values, n_bins, strict=True)])
        sides.append(align_maps(MapBatch(flat, offsets, first_bin, price)))
    return np.stack(sides, axis=1)
