"""What a picture of maps shows, read from the published file and encoded for the browser.

Belongs here: hours, bins and figures as arrays, and their binary form, which
``plots/chart/grid.js`` reads. Does not belong here: how they are drawn (``plots/chart``). Nothing
is modelled.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from warehouse.errors import NotPublished, QueryFailed
from warehouse.queries import named_query
from warehouse.read import Reader

FloatArray = npt.NDArray[np.float64]

SIDES = ("long", "short")
CONSENSUS = "consensus"
MISSING, WARM_UP, STALE = 1, 2, 4

# Bin j lies between exp(LOG_STEP j + LOG_ORIGIN) and the same of j + 1, as `bin_edge` in
# sql/macros.sql has it.
LOG_STEP, LOG_ORIGIN = 0.002, -0.0005

_HOUR = 3600.0

# First shown on either side of price: three times the volatility of a day, within bounds [ratio].
_DAYS_OF_VOLATILITY = 3.0
_LEAST_REACH, _UNKNOWN_REACH, _MOST_REACH = 0.03, 0.15, 0.30

_ALIGNMENT = 8
_NO_BIN = 2**30


@dataclass(frozen=True, slots=True)
class SideBins:
    """The bins of one side in all hours, one hour after the other.

    Parameters
    ----------
    first_bin : ndarray of int32, shape (n_hours,)
        Bin of each hour's first value; 0 where the hour has none.
    offset : ndarray of uint32, shape (n_hours + 1,)
        Place of each hour's first value; hour k has the values offset[k] up to offset[k + 1].
    usd : ndarray of float32, shape (n_values,)
        Map by bin, in the grid's unit; 0 where empty.
    start_up : ndarray of float32, shape (n_values,), optional
        Part of it that was placed when the series began; None where there is none.
    q10, q90 : ndarray of float32, shape (n_newest,), optional
        80 % interval of the bins of the newest hour, in the grid's unit; NaN where not known.
    agreeing : ndarray of int16, shape (n_newest,), optional
        Providers that call the bin of the newest hour dense.
    tier_usd : ndarray of float32, shape (n_tiers, n_newest), optional
        The newest hour by leverage, lowest first [USD].
    """

    first_bin: npt.NDArray[np.int32]
    offset: npt.NDArray[np.uint32]
    usd: npt.NDArray[np.float32]
    start_up: npt.NDArray[np.float32] | None = None
    q10: npt.NDArray[np.float32] | None = None
    q90: npt.NDArray[np.float32] | None = None
    agreeing: npt.NDArray[np.int16] | None = None
    tier_usd: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """What one picture shows: consecutive hours, missing ones included, and the bins of both sides.

    Parameters
    ----------
    meta : dict of str to Any
        asset, provider, venue, unit (usd or relative), semantics, log_step and log_origin of the
        bins, price, newest (place of the newest hour with a map, -1 without one), reach_ratio
        (share of price shown first each way), volatility_day_ratio, provider_count (that could
        agree), tiers (leverages of the map, lowest first), bands of the newest hour, odds
        (distance and odds of touch within 24 hours of the bins of the newest hour, or of its bands
        where an earlier release built it, nearest first).
    hours : ndarray of float64, shape (n_hours,)
        as_of of each hour, 3,600 s apart [Unix seconds].
    price : ndarray of float64, shape (n_hours,)
        Price around which the map of the hour is drawn; NaN without a map
        [USD per unit of the asset].
    candles : dict of str to ndarray of float64, shape (n_hours,)
        open, high, low, close of the hour that ends at as_of; NaN where missing.
    realised : dict of str to ndarray of float64, shape (n_hours,)
        long and short: liquidations that venues published of the hour [USD]; NaN where not known.
    is_lower_bound : ndarray of uint8, shape (n_hours,)
        1 where a venue publishes only some of its liquidations.
    flags : ndarray of uint8, shape (n_hours,)
        Sum of 1 (no map), 2 (warm-up: over half of the open interest is in series that warm up) and
        4 (stale: the map rests on old data).
    covered : dict of str to ndarray of float64, shape (n_hours,)
        low and high: prices between which an outside provider's map is known; NaN where it is
        everywhere [USD per unit of the asset].
    sides : dict of str to SideBins
        long and short.
    """

    meta: dict[str, Any]
    hours: FloatArray
    price: FloatArray
    candles: dict[str, FloatArray]
    realised: dict[str, FloatArray]
    is_lower_bound: npt.NDArray[np.uint8]
    flags: npt.NDArray[np.uint8]
    covered: dict[str, FloatArray]
    sides: dict[str, SideBins]


def read_grid(
    reader: Reader,
    *,
    asset: str,
    provider: str,
    venue: str,
    from_at: datetime,
    until_at: datetime,
    tiers: Sequence[float] | None = None,
) -> Grid:
    """Return the maps of some hours and what belongs to them.

    Parameters
    ----------
    reader : Reader
        The published file.
    asset, provider, venue : str
        Whose map; provider ``consensus`` is the mean shape of all, venue ``all`` the sum.
    from_at, until_at : datetime
        Hours with from_at < as_of <= until_at.
    tiers : sequence of float, optional
        Only positions with one of these leverages; by default all. Their start-up mass is in
        the maps and not known apart, nor are intervals.

    Returns
    -------
    Grid
        The hours from the first to the last with a map or a bar. Without any there are no hours.

    Raises
    ------
    NotPublished
        Maps by leverage are requested and the file has none.
    """
    which = {
        "asset": asset,
        "provider": provider,
        "venue": venue,
        "from_at": from_at,
        "until_at": until_at,
    }
    maps = _read_maps(reader, which) if tiers is None else _read_tier_maps(reader, which, tiers)
    bars = _read_bars(reader, which)
    hours = _consecutive(maps["as_of"].to_numpy(), bars["as_of"].to_numpy())
    sides = {side: _side_bins(_of_side(maps, side), hours) for side in SIDES}
    held = np.sum([np.diff(own.offset.astype(np.int64)) for own in sides.values()], axis=0)
    newest = int(np.flatnonzero(held)[-1]) if held.any() else -1
    meta = _meta_without_map(which) | {
        "newest": newest,
        "selected_tiers": None if tiers is None else sorted(tiers),
    }
    if newest >= 0:
        meta |= {name: maps[name][-1].as_py() for name in ("unit", "semantics")}
        found, sides = _read_newest(reader, which, hours[newest], sides, newest)
        meta |= found
    price = np.full(len(hours), np.nan)
    price[np.searchsorted(hours, maps["as_of"].to_numpy())] = maps["price"].to_numpy()
    drawn = _on_hours(bars, hours)
    meta["price"] = _last_known(drawn["close"], price)
    is_whole_market = venue == "all"
    return Grid(
        meta=meta,
        hours=hours,
        price=price,
        candles={name: drawn[name] for name in ("open", "high", "low", "close")},
        # Published liquidations are of all venues: beside one venue's map they would mislead.
        realised={
            side: drawn[f"realised_{side}_usd"] if is_whole_market else np.full(len(hours), np.nan)
            for side in SIDES
        },
        is_lower_bound=(drawn["is_lower_bound"] == 1.0).astype(np.uint8),
        flags=_flags(reader, which, hours, held),
        covered={name: drawn[f"covered_{name}"] for name in ("low", "high")},
        sides=sides,
    )


def encode_grid(grid: Grid) -> bytes:
    """Return a grid in the binary form that the page reads.

    Little-endian throughout: the length of the header as uint32, the header as JSON (``meta`` and
    ``arrays``: name, dtype, length, offset), zeros up to a multiple of 8 bytes, then the arrays.
    Offsets count from the first array and are multiples of 8.

    Parameters
    ----------
    grid : Grid
        What is shown.
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "hours": grid.hours,
        "price": grid.price,
        **grid.candles,
        **{f"realised_{side}": grid.realised[side] for side in SIDES},
        "is_lower_bound": grid.is_lower_bound,
        "flags": grid.flags,
    }
    if np.isfinite(grid.covered["low"]).any():
        arrays |= {f"covered_{name}": values for name, values in grid.covered.items()}
    for side, own in grid.sides.items():
        for name in own.__slots__:
            values = getattr(own, name)
            if values is not None:
                arrays[f"{side}_{name}"] = values.ravel()
    described, parts, place = [], [], 0
    for name, values in arrays.items():
        little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        padding = -little.nbytes % _ALIGNMENT
        described.append(
            {"name": name, "dtype": values.dtype.name, "length": len(values), "offset": place}
        )
        parts += [little.tobytes(), bytes(padding)]
        place += little.nbytes + padding
    header = json.dumps({"meta": grid.meta, "arrays": described}, allow_nan=False).encode()
    length = len(header).to_bytes(4, "little")
    return b"".join([length, header, bytes(-(4 + len(header)) % _ALIGNMENT), *parts])


def _read_maps(reader: Reader, which: dict[str, Any]) -> pa.Table:
    if which["provider"] != CONSENSUS:
        return reader.execute(named_query("grid_maps"), which).to_arrow_table()
    own = {name: value for name, value in which.items() if name != "provider"}
    return reader.execute(named_query("grid_consensus"), own).to_arrow_table()


def _read_bars(reader: Reader, which: dict[str, Any]) -> pa.Table:
    return reader.execute(named_query("grid_hours"), which).to_arrow_table()


def _read_tier_maps(reader: Reader, which: dict[str, Any], tiers: Sequence[float]) -> pa.Table:
    """Return maps of some leverages added up."""
    try:
        by_tier = reader.execute(named_query("grid_tiers"), which).to_arrow_table()
    except QueryFailed as exc:
        raise NotPublished(
            "no maps by leverage are published; `liqheat run`, then `liqheat publish`, add them"
        ) from exc
    return _sum_tiers(by_tier, tiers)


def _read_newest_tiers(reader: Reader, at: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the maps by leverage of an hour; none where an earlier release published the file."""
    window = {**at, "from_at": at["as_of"] - timedelta(hours=1), "until_at": at["as_of"]}
    del window["as_of"]
    try:
        rows = reader.execute(named_query("grid_tiers"), window).to_arrow_table().to_pylist()
    except QueryFailed:
        return []
    return list(rows)


def _sum_tiers(by_tier: pa.Table, tiers: Sequence[float]) -> pa.Table:
    """Return the maps of some leverages added up, in the form of ``grid_maps``."""
    chosen = by_tier.filter(pc.is_in(by_tier["leverage"], pa.array([float(one) for one in tiers])))
    as_of, side = chosen["as_of"].to_numpy(), chosen["side"].to_numpy(zero_copy_only=False)
    begins = np.flatnonzero((np.diff(as_of, prepend=np.nan) != 0) | (side != np.roll(side, 1)))
    first, usd, lengths = _lists(chosen, "liquidation_usd")
    # Where a tier has nothing, its first bin means nothing.
    low = np.minimum.reduceat(np.where(lengths > 0, first, _NO_BIN), begins)
    high = np.maximum.reduceat(np.where(lengths > 0, first + lengths, -_NO_BIN), begins)
    width = np.where(low < _NO_BIN, high - low, 0)
    offset = np.concatenate(([0], np.cumsum(width))).astype(np.int32)
    group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(as_of))))
    shift = offset[group] + first - low[group] - (np.cumsum(lengths) - lengths)
    place = np.arange(len(usd)) + np.repeat(shift, lengths)
    total = np.bincount(place, weights=usd, minlength=int(offset[-1])).astype(np.float32)
    return pa.table(
        {
            **{name: chosen[name].take(pa.array(begins)) for name in ("as_of", "side", "price")},
            "first_bin_index": pa.array(np.where(width > 0, low, 0), pa.int32()),
            "liquidation_usd": pa.ListArray.from_arrays(offset, pa.array(total)),
            "unit": pa.repeat("usd", len(begins)),
            "semantics": pa.repeat("standing", len(begins)),
        }
    )


def _meta_without_map(which: dict[str, Any]) -> dict[str, Any]:
    """Return what a picture without a map says of itself."""
    return {
        **{name: which[name] for name in ("asset", "provider", "venue")},
        "unit": "usd",
        "semantics": "standing",
        "log_step": LOG_STEP,
        "log_origin": LOG_ORIGIN,
        "tiers": [],
        "provider_count": 0,
        "bands": [],
        "odds": [],
        "volatility_day_ratio": None,
        "reach_ratio": _UNKNOWN_REACH,
    }


def _read_newest(
    reader: Reader,
    which: dict[str, Any],
    instant: float,
    sides: dict[str, SideBins],
    newest: int,
) -> tuple[dict[str, Any], dict[str, SideBins]]:
    """Return what is known of the newest hour alone, and the sides with what is known by bin."""
    at = {**which, "as_of": datetime.fromtimestamp(instant, tz=UTC)}
    own = {name: at[name] for name in ("asset", "provider", "venue", "as_of")}
    rows = reader.execute(named_query("grid_newest"), own).to_arrow_table().to_pylist()
    known = {row["side"]: row for row in rows}
    by_tier = _read_newest_tiers(reader, at)
    tiers = sorted({row["leverage"] for row in by_tier})
    meta = _read_levels(reader, at) | {
        "tiers": tiers,
        "provider_count": max((row["provider_count"] or 0 for row in rows), default=0),
    }
    return meta, {
        side: _with_newest(
            bins,
            newest,
            known.get(side, {}),
            [row for row in by_tier if row["side"] == side],
            tiers,
        )
        for side, bins in sides.items()
    }


def _read_levels(reader: Reader, at: dict[str, Any]) -> dict[str, Any]:
    """Return bands and odds of touch of an hour, and how far from price the picture opens."""
    which = {name: at[name] for name in ("asset", "venue", "as_of")}
    levels = reader.execute(named_query("grid_odds"), which).fetchall()
    sigma = next((float(row[2]) for row in levels if row[2] is not None), None)
    reach = _UNKNOWN_REACH
    if sigma is not None:
        reach = min(max(_DAYS_OF_VOLATILITY * sigma, _LEAST_REACH), _MOST_REACH)
    bands = reader.execute(
        named_query("grid_bands"),
        {name: at[name] for name in ("asset", "provider", "venue", "as_of")},
    ).to_arrow_table()
    return {
        "bands": bands.to_pylist(),
        "odds": _read_bin_odds(reader, which) or [[away, odds] for away, odds, _ in levels],
        "volatility_day_ratio": sigma,
        "reach_ratio": reach,
    }


def _read_bin_odds(reader: Reader, which: dict[str, Any]) -> list[list[float]]:
    """Return distance and odds of all bins near price; none of hours that have none."""
    try:
        return [list(row) for row in reader.execute(named_query("grid_bin_odds"), which).fetchall()]
    except QueryFailed:
        return []


def _with_newest(
    own: SideBins,
    newest: int,
    known: dict[str, Any],
    by_tier: list[dict[str, Any]],
    leverages: list[float],
) -> SideBins:
    """Return a side with what is known by bin of the newest hour, from a row of ``grid_newest``."""
    first = int(own.first_bin[newest])
    count = int(own.offset[newest + 1]) - int(own.offset[newest])
    q10, q90, agreeing = (
        _aligned(known.get(name), known.get(first_name), first, count)
        for name, first_name in (
            ("liquidation_q10_usd", "first_interval_bin"),
            ("liquidation_q90_usd", "first_interval_bin"),
            ("dense_provider_count", "first_agreeing_bin"),
        )
    )
    tier_usd = np.zeros((len(leverages), count), np.float32)
    for row in by_tier:
        held = _aligned(row["liquidation_usd"], row["first_bin_index"], first, count)
        if held is not None:
            tier_usd[leverages.index(row["leverage"])] = np.nan_to_num(held)
    return replace(
        own,
        q10=q10,
        q90=q90,
        agreeing=None if agreeing is None else np.nan_to_num(agreeing).astype(np.int16),
        tier_usd=tier_usd if by_tier else None,
    )


def _aligned(
    values: list[float | None] | None, own_first: int | None, first: int, count: int
) -> npt.NDArray[np.float32] | None:
    """Return values from bin own_first on as values of the bins first to first + count."""
    if values is None or own_first is None or all(value is None for value in values):
        return None
    aligned = np.full(count, np.nan, np.float32)
    known = np.array(values, np.float32)
    begin, end = max(own_first, first), min(own_first + len(known), first + count)
    if begin < end:
        aligned[begin - first : end - first] = known[begin - own_first : end - own_first]
    return aligned


def _flags(
    reader: Reader, which: dict[str, Any], hours: FloatArray, held: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Return the flags of the hours; held is the number of bins of each."""
    rows = reader.execute(named_query("grid_flags"), which).to_arrow_table()
    flags = np.where(held > 0, 0, MISSING).astype(np.uint8)
    for name, flag in (("warm_up", WARM_UP), ("stale", STALE)):
        instants = rows.filter(pc.equal(rows["flag"], name))["as_of"].to_numpy()
        flags[np.isin(hours, instants) & (held > 0)] |= flag
    return flags


def _side_bins(rows: pa.Table, hours: FloatArray) -> SideBins:
    """Return the rows of one side, ordered by hour, as arrays."""
    first, usd, lengths = _lists(rows, "liquidation_usd")
    at = np.searchsorted(hours, rows["as_of"].to_numpy())
    count = np.zeros(len(hours), np.int64)
    count[at] = lengths
    first_bin = np.zeros(len(hours), np.int32)
    first_bin[at] = first
    offset = np.concatenate(([0], np.cumsum(count))).astype(np.uint32)
    start_up = None
    if "start_up_usd" in rows.column_names and rows["start_up_usd"].null_count < rows.num_rows:
        _, values, known = _lists(rows, "start_up_usd")
        start_up = np.zeros(len(usd), np.float32)
        start_up[np.repeat(known > 0, lengths)] = values
    return SideBins(first_bin, offset, usd, start_up)


def _lists(
    rows: pa.Table, name: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return first bins, the values of all rows one after the other, and their number by row."""
    lists = rows[name]
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    values = pc.list_flatten(lists).to_numpy(zero_copy_only=False).astype(np.float32)
    return rows["first_bin_index"].to_numpy(), np.nan_to_num(values), lengths


def _of_side(rows: pa.Table, side: str) -> pa.Table:
    return rows.filter(pc.equal(rows["side"], side))


def _consecutive(*instants: FloatArray) -> FloatArray:
    """Return the hours from the first instant to the last [Unix seconds]."""
    known = np.concatenate(instants)
    if len(known) == 0:
        return np.zeros(0)
    return np.arange(known.min(), known.max() + _HOUR / 2, _HOUR)


def _on_hours(rows: pa.Table, hours: FloatArray) -> dict[str, FloatArray]:
    """Return the columns of rows by hour; NaN where there is no row or no figure."""
    at = np.searchsorted(hours, rows["as_of"].to_numpy())
    columns = {}
    for name in rows.column_names:
        values = np.full(len(hours), np.nan)
        values[at] = rows[name].cast(pa.float64()).to_numpy()
        columns[name] = values
    return columns


def _last_known(*columns: FloatArray) -> float | None:
    for values in columns:
        known = values[np.isfinite(values)]
        if len(known):
            return float(known[-1])
    return None
