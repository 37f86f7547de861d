"""Whether a venue counts one side of open interest or both, judged by its share of odd lots.

Belongs here: comparing that share with the declaration. Does not belong here: the rule
(``sql/intermediate/int_odd_lot.sql``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from jobs.collect.doctor_report import ExaminedResponse
from sources.records import SCHEMAS
from sources.venues.declaration import OpenInterest, Product, Venue
from sources.venues.declared import venues_with_one_side
from sources.venues.declared_endpoints import DeclaredEndpoint, Difference, declared_endpoints
from sources.venues.instruments import Instrument, instrument_batch
from sources.venues.page_reader import read_page
from sources.venues.session import Response
from sources.venues.unit_conformance import ALL_CONTRACTS, in_lots
from warehouse.connect import select_model


def figures_in_lots(
    declared: DeclaredEndpoint,
    response: Response | None,
    product: Product,
    listed: Mapping[str, Instrument],
) -> list[dict[str, Any]]:
    """Return open interest of all contracts of a product in one response, in lots."""
    endpoint = declared.endpoint
    if response is None or endpoint is None or endpoint.per != "product":
        return []
    members = {
        str(one.market.get(endpoint.id_key, one.market_id)): one
        for one in listed.values()
        if one.product is product
    }
    context = replace(response.context, instruments=members)
    page = read_page(declared.spec, endpoint, response.payload, context)
    batches = [one for one in page.batches if one.kind == "open_interest"]
    return [row for batch in batches for row in in_lots(batch, listed)]


def examine_sides(
    venue: Venue, listed: Mapping[str, Instrument], figures: Sequence[dict[str, Any]]
) -> ExaminedResponse | None:
    """Compare the share of odd lots with the sides declared; None without figures.

    Parameters
    ----------
    venue : Venue
        The declaration.
    listed : mapping of str to Instrument
        The contracts it lists.
    figures : sequence of dict
        Rows of open interest.
    """
    places = (
        one.place
        for product in venue.products
        for one in declared_endpoints(venue, product)
        if isinstance(one.spec, OpenInterest)
    )
    place = next(places, None)
    if place is None or not figures:
        return None
    examined = ExaminedResponse(
        venue.name, "sides of open interest", None, f"{place}.sides_counted", "left out",
        rows=len(figures),
    )  # fmt: skip
    if venue.name in venues_with_one_side():
        reason = "each row is compared with the venue's own figure of one side"
        return replace(examined, reason=reason)
    row = _odd_lots(listed, figures)
    if row["sides_seen"] is None:
        return replace(examined, reason=f"not seen: {row['reason']}")
    shown = "one side" if row["sides_seen"] == 1 else "both sides"
    words = (
        f"{row['odd_share_ratio']:.0%} of {row['figure_count']} figures are odd multiples of the "
        f"smallest lot, which shows {shown} counted"
    )
    if not row["contradiction_count"]:
        return replace(examined, status="fits", reason=words)
    counted = f"sides_counted {row['sides_counted']}"
    difference = Difference("sides", words, counted, examined.declaration)
    return replace(examined, status="differs", reason=words, differences=(difference,))


def _odd_lots(
    listed: Mapping[str, Instrument], figures: Sequence[dict[str, Any]]
) -> Mapping[str, Any]:
    """Return the warehouse's judgement of figures."""
    now = figures[0]["ingested_at"]
    instruments = instrument_batch(listed.values(), source="", observed_at=now).table.to_pylist()
    # `in_lots` counts several contracts together as one instrument, of one lot a contract.
    pooled = instruments[0] | {
        "instrument": ALL_CONTRACTS,
        "contract_kind": "linear",
        "contract_size": 1.0,
        "lot_quantity": 1.0,
    }
    rows = {"open_interest": list(figures), "instrument": [*instruments, pooled]}
    tables = {
        kind: pa.Table.from_pylist(several, schema=SCHEMAS[kind]) for kind, several in rows.items()
    }
    (row,) = select_model(
        "intermediate.int_odd_lot",
        {
            "raw.open_interest": tables["open_interest"],
            "staging.stg_instrument": tables["instrument"],
        },
    )
    return row
