"""The bins of a map as rows, or as the binary grid that the page draws.

Belongs here: which query a map needs. Does not belong here: reading the page's grid
(``plots.map_grid``).
"""

from typing import Any

import pyarrow as pa

from plots.map_grid import CONSENSUS, encode_grid, read_grid
from warehouse.errors import QueryFailed, QueryOverLimit
from warehouse.read import Reader
from web.api.resources import read_rows
from web.catalogue import ALL_VENUES
from web.problem_details import Refusal, bad_parameter, unknown_name
from web.view import View


def map_rows(reader: Reader, known: dict[str, Any]) -> pa.Table:
    """Return the bins of a map, of some leverage tiers where the request chooses them.

    Parameters
    ----------
    reader : Reader
        The published file.
    known : dict of str to Any
        Parameters that the query may take.

    Raises
    ------
    Refusal
        Tiers are chosen and the publication has no maps by tier.
    """
    if known["tiers"] is not None:
        _check_tiers(reader, known)
        return read_rows(reader, "api_map_tiers", known)
    query = "api_consensus" if known["provider"] == CONSENSUS else "api_map"
    return read_rows(reader, query, known)


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
    if view.tiers is not None:
        _check_tiers(reader, which)
    return encode_grid(read_grid(reader, **which))


def _check_tiers(reader: Reader, known: dict[str, Any]) -> None:
    """Refuse tiers of which there are no maps in the hours requested, and say why."""
    provider = known["provider"]
    if known["venue"] != ALL_VENUES:
        raise bad_parameter(
            "tiers",
            f"maps by leverage are of all venues together, not of {known['venue']}",
            "leave venue or tiers out",
        )
    try:
        rows = read_rows(reader, "api_tiers", known).to_pylist()
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
            {"parameter": "tiers", "first_at": first_at.isoformat()},
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
