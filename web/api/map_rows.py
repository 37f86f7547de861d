"""The bins of a map as rows, or as the binary grid that the page draws.

Belongs here: which statement a map needs, and its bins as rows. Does not belong here: reading the
page's grid (``plots.map_grid``).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.build.hourly_maps import ALL_VENUES
from plots.map_grid import CONSENSUS, LOG_ORIGIN, LOG_STEP, encode_grid, read_grid
from warehouse.errors import QueryFailed, QueryOverLimit
from warehouse.queries import named_query
from warehouse.read import Reader
from web.answers import instant_text
from web.api.resources import CONSENSUS_ROWS, read_rows
from web.problem_details import Refusal, bad_parameter, unknown_name
from web.view import View

_AMOUNTS = (
    "liquidation_usd",
    "start_up_usd",
    "liquidation_q10_usd",
    "liquidation_q50_usd",
    "liquidation_q90_usd",
)


def map_rows(reader: Reader, known: dict[str, Any]) -> pa.Table:
    """Return the bins of a map, newest hour first, of some leverage tiers where they are chosen.

    All bins of the hours, where the query has no page of its own.

    Parameters
    ----------
    reader : Reader
        The published file.
    known : dict of str to Any
        Parameters that the query may take.
    """
    if known["tiers"] is not None:
        return read_rows(reader, named_query("api_map_tiers"), known)
    if known["provider"] == CONSENSUS:
        return read_rows(reader, CONSENSUS_ROWS.statement, known)
    return _unfolded(read_rows(reader, named_query("api_map"), known), known["reach"])


def _unfolded(maps: pa.Table, reach: float | None) -> pa.Table:
    """Return the bins that hold something, of prices within reach, from arrays by bin.

    Parameters
    ----------
    maps : Table
        Rows of ``api_map``.
    reach : float or None
        Share of price each way.
    """
    lengths = pc.list_value_length(maps["liquidation_usd"]).to_numpy()
    row = np.repeat(np.arange(maps.num_rows, dtype=np.int32), lengths)
    ends = np.cumsum(lengths, dtype=np.int64)
    in_row = np.arange(len(row), dtype=np.int64) - np.repeat(ends - lengths, lengths)
    bin_index = (maps["first_bin_index"].to_numpy()[row] + in_row).astype(np.int32)
    price = maps["price"].to_numpy()[row]
    low, high = (np.exp(LOG_STEP * (bin_index + one) + LOG_ORIGIN) for one in (0, 1))
    amounts = {name: _flat(maps[name], lengths) for name in _AMOUNTS}
    is_held = amounts["liquidation_usd"] > 0.0
    if reach is not None:
        is_held &= (high > price * (1.0 - reach)) & (low < price * (1.0 + reach))
    held = np.flatnonzero(is_held)
    taken = pa.array(row[held])
    return pa.table(
        {
            "as_of": maps["as_of"].combine_chunks().take(taken),
            "side": maps["side"].combine_chunks().take(taken),
            "bin_index": bin_index[held],
            "price_low": low[held],
            "price_high": high[held],
            # NaN is not known.
            **{name: pa.array(own[held], from_pandas=True) for name, own in amounts.items()},
            "price": price[held],
        }
    )


def _flat(lists: pa.ChunkedArray, lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Return the values of arrays by bin one after the other; NaN for an array that is NULL."""
    values = np.asarray(pc.list_flatten(lists).to_numpy(zero_copy_only=False), np.float32)
    if lists.null_count == 0:
        return values
    flat = np.full(int(lengths.sum()), np.nan, np.float32)
    flat[np.repeat(lists.is_valid().to_numpy(), lengths)] = values
    return flat


def encode_map(reader: Reader, view: View) -> bytes:
    """Return what the page draws of a view, encoded.

    Raises
    ------
    Refusal
        Tiers are chosen and the publication has no such maps.
    """
    which: dict[str, Any] = {
        "asset": view.asset,
        "provider": view.provider,
        "venue": view.venue,
        "from_at": view.from_at,
        "until_at": view.as_of,
        "tiers": view.tiers,
    }
    check_tiers(reader, which)
    return encode_grid(read_grid(reader, **which))


def check_tiers(reader: Reader, known: dict[str, Any]) -> None:
    """Refuse tiers of which there are no maps in the hours requested, and say why.

    Parameters
    ----------
    reader : Reader
        The published file.
    known : dict of str to Any
        asset, provider, venue, from_at, until_at; tiers, None for all.

    Raises
    ------
    Refusal
        There is no such map.
    """
    if known["tiers"] is None:
        return
    provider = known["provider"]
    if known["venue"] != ALL_VENUES:
        raise bad_parameter(
            "tiers",
            f"maps by leverage are of all venues together, not of {known['venue']}",
            "leave venue or tiers out",
        )
    try:
        rows = read_rows(reader, named_query("api_tiers"), known).to_pylist()
    except QueryOverLimit:
        raise
    except QueryFailed as exc:
        raise _without_tiers("this publication") from exc
    if not rows:
        raise _without_tiers(f"this publication for {provider} and {known['asset']}")
    leverages = {f"{row['leverage']:g}" for row in rows}
    for tier in known["tiers"]:
        if f"{tier:g}" not in leverages:
            what = f"a leverage of {provider}'s maps"
            raise unknown_name("tiers", f"{tier:g}", leverages, what=what)
    first_at = min(row["first_at"] for row in rows)
    if known["until_at"] < first_at:
        raise Refusal(
            404,
            "No maps by tier",
            "maps by leverage are kept for the newest hours alone, and these are older",
            f"choose hours from {first_at:%Y-%m-%dT%H:%MZ} on, or leave tiers out",
            {"parameter": "tiers", "first_at": instant_text(first_at)},
        )


def _without_tiers(where: str) -> Refusal:
    return Refusal(
        404,
        "No maps by tier",
        f"no maps by leverage tier are in {where}",
        "leave tiers out; estimators that keep positions by leverage have them in the hours "
        "that this release built",
        {"parameter": "tiers"},
    )
