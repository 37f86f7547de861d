"""Near edges of bands on recorded hours, as levels that price may touch.

Belongs here: which bands, and where they begin. Does not belong here: their odds and how they are
scored (``touch``).

Estimators run over Bybit's hours, whose open interest is recorded throughout. Every twelve hours
the bands of each map give one level each: the edge that price reaches first. Whether it does is
read from Binance's highs and lows, as for levels at fixed distances.
"""

from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.panels import to_model_bars
from bench.accuracy.recorded import fill_volume, read_bybit_bars
from bench.touch_levels import Days, Levels, read_days
from transforms.accounting import impute_open_interest
from transforms.bands import Bands, find_bands
from transforms.engine import run
from transforms.estimators import ESTIMATORS
from transforms.ladders import default_brackets
from transforms.maps import MapBatch, align_maps
from transforms.series import LONG, SIDES, FloatArray, IntArray

BAND_MODELS: Final = ("open_interest", "turnover", "public_convention")

BAND_HOURS: Final = 12
"""Hours between maps [h]: bands live for days."""


def read_band_levels(folder: Path, coin: str, model: str) -> Levels:
    """Return the near edges of the bands of one estimator's maps of one coin.

    Parameters
    ----------
    folder : Path
        ``market_1h`` of recorded data.
    coin : str
        For example ``BTC``.
    model : str
        Key of ``ESTIMATORS``.

    Returns
    -------
    Levels
        One level a row.
    """
    days = read_days(folder / f"binance_{coin}_1h.parquet", BAND_HOURS)
    hours = read_bybit_bars(folder.parent, coin)
    hours = hours.part(slice(int(np.argmax(np.isfinite(hours.open_interest))), None))
    volume, _ = fill_volume(hours)
    filled, _ = impute_open_interest(hours.open_interest, volume)
    _, own, emits = np.intersect1d(days.hour, hours.bar_end, return_indices=True)
    _, outputs = run(
        ESTIMATORS[model],
        to_model_bars(hours, volume, filled),
        emits,
        brackets=default_brackets(coin),
    )
    offsets = np.arange(len(emits) + 1) * outputs.liquidation_usd.shape[2]
    parts = []
    for side in range(len(SIDES)):
        values = outputs.liquidation_usd[:, side].reshape(-1)
        aligned = align_maps(MapBatch(values, offsets, outputs.first_bin, outputs.close))
        parts.append(
            _near_edges(days, own, find_bands(aligned, outputs.close), side, outputs.close)
        )
    return Levels.joined(parts)


def _near_edges(days: Days, own: IntArray, bands: Bands, side: int, price: FloatArray) -> Levels:
    """Return the near edges of the bands of one side; a band at price is at distance 0."""
    edge = bands.price_high if side == LONG else bands.price_low
    beyond = np.log(edge / price[bands.map_index])
    distance = np.maximum(-beyond if side == LONG else beyond, 0.0)
    at = own[bands.map_index]
    moved = (days.down if side == LONG else days.up)[at]
    return Levels(
        hour=days.hour[at],
        distance=distance[:, None],
        fast=days.fast[at],
        slow=days.slow[at],
        weekend=days.weekend[at],
        is_touched=(moved >= distance)[:, None],
    )
