"""The bins of a map as rows, or as the binary grid that the page draws.

Belongs here: which query a map needs. Does not belong here: reading the page's grid
(``plots.map_grid``).
"""

from typing import Any

import pyarrow as pa

from plots.map_grid import CONSENSUS, encode_grid, read_grid
from warehouse.errors import NotPublished, QueryFailed, QueryOverLimit
from warehouse.read import Reader
from web.api.resources import read_rows
from web.problem_details import Refusal
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
    if known["provider"] == CONSENSUS:
        return read_rows(reader, "api_consensus", known)
    if known["tiers"] is None:
        return read_rows(reader, "api_map", known)
    try:
        return read_rows(reader, "api_map_tiers", known)
    except QueryOverLimit:
        raise
    except QueryFailed as exc:
        raise _without_tiers() from exc


def encode_map(reader: Reader, view: View) -> bytes:
    """Return what the page draws of a view, encoded.

    Raises
    ------
    Refusal
        Tiers are chosen and the publication has no maps by tier.
    """
    try:
        grid = read_grid(
            reader,
            asset=view.asset,
            provider=view.provider,
            venue=view.venue,
            from_at=view.from_at,
            until_at=view.as_of,
            tiers=view.tiers,
        )
    except NotPublished as exc:
        raise _without_tiers() from exc
    return encode_grid(grid)


def _without_tiers() -> Refusal:
    return Refusal(
        404,
        "No maps by tier",
        "no maps by leverage tier are in this publication",
        "leave tiers out; `liqheat run` adds maps by tier to the hours it builds",
        {"parameter": "tiers"},
    )
