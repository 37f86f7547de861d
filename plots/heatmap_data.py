"""What the heatmap of one asset shows: hours, bins and figures from the published file.

Belongs here: reading them. Does not belong here: how they are drawn (``heatmap``). Nothing is
modelled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plots.source import PublishedMaps
from plots.style import RAMPS
from warehouse.errors import NotPublished
from warehouse.queries import named_query
from warehouse.read import Reader

FloatArray = npt.NDArray[np.float64]

# First shown on either side of price: three times the volatility of a day, within bounds [ratio].
_DAYS_OF_VOLATILITY = 3.0
_LEAST_REACH, _UNKNOWN_REACH, _MOST_REACH = 0.03, 0.15, 0.30

_INTERVAL = ("liquidation_q10_usd", "liquidation_q90_usd")


@dataclass(frozen=True, slots=True)
class PlotData:
    """The hours and bins of one picture.

    Parameters
    ----------
    hours : list of datetime
        Instants of the maps.
    candles : dict of str to ndarray of float64, shape (n_hours,)
        open, high, low, close of the hour before each [USD per unit of the asset].
    bin_edges : ndarray of float64, shape (n_bins + 1,)
        Prices between which bins lie [USD per unit of the asset].
    liquidation_usd, start_up_usd : dict of str to ndarray of float64, shape (n_bins, n_hours)
        Map by side, and its part placed when the series began [USD]; NaN where empty.
    interval_usd : dict of str to ndarray of float64, shape (2, n_bins)
        10th and 90th percentile of the newest hour by side [USD]; NaN where not known.
    is_warm_up : ndarray of bool, shape (n_hours,)
        Whether most of the open interest belongs to series in warm-up.
    unit : str
        usd, or relative.
    semantics : str
        What the map counts: standing, opened or expected_realised.
    view : tuple of float
        Lowest and highest price shown first [USD per unit of the asset].
    """

    hours: list[datetime]
    candles: dict[str, FloatArray]
    bin_edges: FloatArray
    liquidation_usd: dict[str, FloatArray]
    start_up_usd: dict[str, FloatArray]
    interval_usd: dict[str, FloatArray]
    is_warm_up: npt.NDArray[np.bool_]
    unit: str
    semantics: str
    view: tuple[float, float]

    @property
    def bin_centers(self) -> FloatArray:
        """Prices in the middle of the bins, shape (n_bins,)."""
        return np.asarray(np.sqrt(self.bin_edges[1:] * self.bin_edges[:-1]))

    @property
    def in_view(self) -> slice:
        """Bins shown first."""
        low, high = np.searchsorted(self.bin_edges, self.view)
        return slice(max(int(low) - 1, 0), int(high))

    def settled_usd(self, side: str) -> FloatArray:
        """Return a side of the map without start-up mass, shape (n_bins, n_hours) [USD]."""
        return self.liquidation_usd[side] - np.nan_to_num(self.start_up_usd[side])

    def start_up_ratio(self, side: str) -> float:
        """Return the share of start-up mass in a side of the newest map, in view [0-1]."""
        held, started = (
            float(np.nansum(grids[side][self.in_view, -1]))
            for grids in (self.liquidation_usd, self.start_up_usd)
        )
        return started / held if held > 0.0 else 0.0


def read_plot_data(
    maps: PublishedMaps, *, provider: str, days: float, reach_ratio: float | None = None
) -> PlotData:
    """Return the hours and bins to draw.

    Parameters
    ----------
    maps : PublishedMaps
        Asset, venue and newest hour.
    provider : str
        Whose estimate.
    days : float
        Hours drawn, counted back from the newest [days].
    reach_ratio : float, optional
        Prices shown first beyond those traded, on either side of the newest [ratio]; 0.15 is 15 %.
        By default three times the volatility of a day.

    Raises
    ------
    NotPublished
        There is no such map; the message names those there are.
    """
    which = [maps.asset, provider, maps.venue]
    with maps.open() as reader:
        newest = _read_newest(reader, which, maps.until)
        window = {
            **dict(zip(("asset", "provider", "venue"), which, strict=True)),
            "from_at": newest - timedelta(days=days),
            "until_at": newest,
        }
        candles = _arrays(_read_candles(reader, window))
        rows = _read_bins(reader, window)
        warm_up = _read_warm_up(reader, window)
        if reach_ratio is None:
            reach_ratio = _read_reach(reader, [maps.asset, maps.venue, newest])
    instants = np.unique(np.concatenate((rows["as_of"], candles["as_of"])))
    at = np.searchsorted(instants, candles["as_of"])
    drawn = {name: np.full(len(instants), np.nan) for name in ("open", "high", "low", "close")}
    for name, values in drawn.items():
        values[at] = candles[name]
    first, last = int(rows["bin_index"].min()), int(rows["bin_index"].max())
    price = float(candles["close"][-1])
    grids = {
        name: _grids(rows, name, instants, first, last)
        for name in ("liquidation_usd", "start_up_usd", *_INTERVAL)
    }
    return PlotData(
        hours=[instant.astype("datetime64[us]").item() for instant in instants],
        candles=drawn,
        # Bins are equally wide in log price, with or without a row.
        bin_edges=np.geomspace(rows["price_low"].min(), rows["price_high"].max(), last - first + 2),
        liquidation_usd=grids["liquidation_usd"],
        start_up_usd=grids["start_up_usd"],
        interval_usd={
            side: np.stack([grids[name][side][:, -1] for name in _INTERVAL]) for side in RAMPS
        },
        is_warm_up=np.isin(instants, warm_up.astype(instants.dtype)),
        unit=str(rows["unit"][0]),
        semantics=str(rows["semantics"][0]),
        view=(
            min(price * (1.0 - reach_ratio), float(candles["low"].min())),
            max(price * (1.0 + reach_ratio), float(candles["high"].max())),
        ),
    )


def _read_newest(reader: Reader, which: list[str], until: datetime | None) -> datetime:
    """Return the newest hour of a map; the error names the maps there are."""
    newest = reader.execute(
        "select max(as_of) from derived.heatmap "
        "where asset = ? and provider = ? and venue = ? "
        "and as_of <= coalesce(?, 'infinity'::timestamptz)",
        [*which, until],
    ).fetchone()
    if newest is None or newest[0] is None:
        asset, provider, venue = which
        known = reader.execute(
            "select distinct if(is_known, provider || ' on ' || venue, asset) "
            "from derived.heatmap, (select count(*) > 0 as is_known "
            "from derived.heatmap where asset = $1) "
            "where asset = $1 or not is_known order by 1 limit 40",
            [asset],
        ).fetchall()
        raise NotPublished(
            f"no map of {asset} by {provider} on {venue} is published; there are: "
            + ("; ".join(row[0] for row in known) or "none, run `liqheat run` first")
        )
    hour: datetime = newest[0]
    return hour


def _read_candles(reader: Reader, window: dict[str, Any]) -> pa.Table:
    """Return the bars of the hours; without bars, the price around which each map was drawn."""
    candles = reader.execute(
        "select as_of, open, high, low, price as close from marts.market_context_hourly "
        "where asset = ? and as_of > ? and as_of <= ? order by as_of",
        [window["asset"], window["from_at"], window["until_at"]],
    ).to_arrow_table()
    if candles.num_rows > 0:
        return candles
    return reader.execute(named_query("map_prices"), window).to_arrow_table()


def _read_bins(reader: Reader, window: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the bins of a map in some hours; no interval where an older release published them."""
    bins = reader.execute(named_query("map_bins"), window).to_arrow_table()
    unknown = np.full(len(bins), np.nan)
    return {**dict.fromkeys(_INTERVAL, unknown), **_arrays(bins)}


def _read_warm_up(reader: Reader, window: dict[str, Any]) -> npt.NDArray[Any]:
    """Return the hours in which most of the open interest belongs to series in warm-up."""
    hours = reader.execute(named_query("warm_up_hours"), window).fetchnumpy()
    warm_up: npt.NDArray[Any] = hours["as_of"]
    return warm_up


def _read_reach(reader: Reader, which: list[Any]) -> float:
    """Return how far from price the page opens [ratio]."""
    row = reader.execute(
        "select any_value(volatility_day_ratio) from marts.liquidation_bands_hourly "
        "where asset = ? and venue in (?, 'all') and as_of = ?",
        which,
    ).fetchone()
    if row is None or row[0] is None:
        return _UNKNOWN_REACH
    return min(max(_DAYS_OF_VOLATILITY * float(row[0]), _LEAST_REACH), _MOST_REACH)


def _grids(
    rows: dict[str, npt.NDArray[Any]],
    column: str,
    instants: npt.NDArray[Any],
    first: int,
    last: int,
) -> dict[str, FloatArray]:
    """Return a column by side, shape (n_bins, n_hours); NaN where there is no row."""
    grids = {}
    for side in RAMPS:
        own = rows["side"] == side
        grid = np.full((last - first + 1, len(instants)), np.nan)
        hour = np.searchsorted(instants, rows["as_of"][own])
        grid[rows["bin_index"][own] - first, hour] = rows[column][own]
        grids[side] = grid
    return grids


def _arrays(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    return {name: table.column(name).to_numpy() for name in table.column_names}
