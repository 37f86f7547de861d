"""Recorded maps of measured positions, and the hours to run estimators on.

Belongs here: files of the folder, their cells on the published grid. Does not belong here: running
estimators (``model_maps``), comparing (``comparison``). Instants are int64 microseconds, UTC.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from bench.accuracy.recorded import HourlyBars, read_binance_bars, read_hyperliquid_bars
from sources.providers.declared.hyperliquid_positions import parse
from sources.providers.provider import AnswerContext
from transforms.maps import align_maps
from transforms.rebin import rebin_cells
from transforms.series import SIDES, FloatArray, IntArray

FOLDER: Final = "providers/hyperliquid_positions"

WALLET_COINS: Final = ("BTC", "ETH", "SOL", "HYPE", "XRP", "DOGE", "SUI", "LINK", "AVAX")

HISTORY_STARTS: Final = int(np.datetime64("2025-11-15", "us").astype(np.int64))
"""First hour that estimators are run on: half a year earlier lies a gap of as long."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCells:
    """Cells of measured maps of one asset.

    Parameters
    ----------
    asset : str
    at : ndarray of int64, shape (n_maps,)
        Instants of the maps [microseconds since 1970, UTC], increasing.
    price : ndarray of float64, shape (n_maps,)
        Price of each [USD per unit of the asset].
    observed_ratio : ndarray of float64, shape (n_maps, 2)
        Share of the venue's open interest that was measured, long and short [ratio]. NaN: open
        interest is not recorded.
    side_usd : ndarray of float64, shape (n_maps, 2)
        All that is recorded of a side, beyond the cells too [USD].
    map_index, side : ndarray of int64, shape (n_cells,)
        Map and side of each cell.
    price_low, price_high, value : ndarray of float64, shape (n_cells,)
        Edges of each cell [USD per unit of the asset], and what it holds [USD].
    """

    asset: str
    at: IntArray
    price: FloatArray
    observed_ratio: FloatArray
    side_usd: FloatArray
    map_index: IntArray
    side: IntArray
    price_low: FloatArray
    price_high: FloatArray
    value: FloatArray

    def windows(self, source: IntArray, price: FloatArray) -> FloatArray:
        """Return maps within 20 % of some prices, shape (n, 2, n_window_bins) [USD].

        Parameters
        ----------
        source : ndarray of int64, shape (n,)
            Which map each is.
        price : ndarray of float64, shape (n,)
            Price to look from [USD per unit of the asset].
        """
        sides = []
        for side in range(len(SIDES)):
            parts = [np.flatnonzero((self.map_index == one) & (self.side == side))
                     for one in source.tolist()]  # fmt: skip
            rows = np.concatenate(parts)
            index = np.repeat(np.arange(len(source)), [len(part) for part in parts])
            made = rebin_cells(
                index, self.price_low[rows], self.price_high[rows], self.value[rows], price
            )
            sides.append(align_maps(made.maps))
        return np.stack(sides, axis=1)


def read_wallets(data: Path, asset: str, bars: HourlyBars | None) -> MeasuredCells | None:
    """Return what two hundred leading wallets held of an asset; None where no cell can be read.

    Parameters
    ----------
    data : Path
        Folder of recordings.
    asset : str
    bars : HourlyBars, optional
        Hours on Hyperliquid, whose open interest the observed share is taken of.
    """
    (path,) = (data / FOLDER).glob("top_wallets_*.jsonl")
    return _read(path, asset, bars, is_at_reference=False)


def read_population(data: Path, bars: HourlyBars | None = None) -> MeasuredCells:
    """Return what all accounts held of BTC at one instant, valued at the liquidation prices."""
    (path,) = (data / FOLDER).glob("all_accounts_BTC_*.json")
    found = _read(path, "BTC", bars, is_at_reference=True)
    if found is None:
        raise FileNotFoundError(f"{path.name} has no cell that can be read")
    body = json.loads(path.read_text())
    whole = [[sum(body[f"{side}_distribution"].values()) for side in SIDES]]
    return replace(found, side_usd=np.array(whole))


def _read(
    path: Path, asset: str, bars: HourlyBars | None, *, is_at_reference: bool
) -> MeasuredCells | None:
    context = AnswerContext(
        input_name=path.name,
        ingested_at=datetime.now(UTC),
        asset=asset,
        open_interest_usd=None if bars is None else _open_interest_of(bars),
    )
    tables = [batch.table for batch in parse(path.read_bytes(), context)
              if batch.kind == "provider_map"]  # fmt: skip
    if not tables or pa.concat_tables(tables).num_rows == 0:
        return None
    table = pa.concat_tables(tables).sort_by([("as_of", "ascending")])
    stamp = table["as_of"].cast(pa.timestamp("us")).to_numpy().astype(np.int64)
    at, first, map_index = np.unique(stamp, return_index=True, return_inverse=True)
    price = np.asarray(table["reference_price"].to_numpy(), dtype=np.float64)[first]
    side = np.array([SIDES.index(one) for one in table["side"].to_pylist()])
    low, high, value = (
        np.asarray(table[name].to_numpy(), dtype=np.float64)
        for name in ("price_low", "price_high", "value")
    )
    if is_at_reference:
        value = value * np.sqrt(low * high) / price[map_index]
    observed = np.full((len(at), 2), np.nan)
    ratio = table["observed_open_interest_ratio"].to_numpy(zero_copy_only=False)
    observed[map_index, side] = np.asarray(ratio, dtype=np.float64)
    held = np.zeros((len(at), 2))
    np.add.at(held, (map_index, side), value)
    return MeasuredCells(asset, at, price, observed, held, map_index, side, low, high, value)


def _open_interest_of(bars: HourlyBars) -> Callable[[str, datetime], float | None]:
    """Return open interest by instant, one side [USD]; None where it is not recorded."""

    def look_up(asset: str, at: datetime) -> float | None:
        del asset
        row = int(np.searchsorted(bars.bar_end, round(at.timestamp() * 1e6), side="right")) - 1
        known = row >= 0 and np.isfinite(bars.open_interest[row])
        return float(bars.open_interest[row] * bars.close[row]) if known else None

    return look_up


def read_own_hours(data: Path, asset: str) -> HourlyBars | None:
    """Return an asset's hours on Hyperliquid from ``HISTORY_STARTS`` on; None without hours."""
    bars = read_hyperliquid_bars(data, asset)
    return None if bars is None else _recent(bars)


def choose_hours(data: Path, asset: str, own: HourlyBars | None) -> tuple[str, HourlyBars] | None:
    """Return the venue and hours that estimators are run on; None where none has open interest.

    Hyperliquid's where its open interest is recorded, else Binance's.
    """
    if own is not None and np.isfinite(own.open_interest).any():
        return "hyperliquid", own
    try:
        other = _recent(read_binance_bars(data, asset))
    except FileNotFoundError:
        return None
    return ("binance", other) if np.isfinite(other.open_interest).any() else None


def _recent(bars: HourlyBars) -> HourlyBars:
    return bars.part(bars.bar_end > HISTORY_STARTS)
