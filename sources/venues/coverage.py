"""Which kinds of contracts are followed on which venue, as rows.

Belongs here: turning declarations into rows and into the SQL that publishes them. Does not belong
here: the facts (`sources.venues.declared`).

``sql/marts/venue_coverage.sql`` is this module's output; a test holds the two together::

    python -m sources.venues.coverage > sql/marts/venue_coverage.sql
"""

import sys
from dataclasses import dataclass
from typing import get_args

from sources.venues.declaration import ContractClass, Product, Venue
from sources.venues.declared import VENUES

_HEADER = """\
-- Kinds of contracts by venue: which are followed, and why the others are not.
--
-- Materialized: table
-- Known limitation: made from the declarations by sources/venues/coverage.py, not by hand.

with
venue_coverage (venue, contract_class, is_followed, reason) as (
    values
"""
_FOOTER = """\
)

select * from venue_coverage
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether one kind of contracts of a venue is followed.

    Parameters
    ----------
    venue : str
        As in every record.
    contract_class : ContractClass
        Which contracts.
    reason : str or None
        Why they are not followed; None where they are.
    """

    venue: str
    contract_class: ContractClass
    reason: str | None


def coverage() -> list[Coverage]:
    """Return one row for each declared venue and contract class, by venue.

    Raises
    ------
    ValueError
        Where a class is neither followed nor given a reason, or both.
    """
    return [
        Coverage(venue.name, one, _reason(venue, one))
        for venue in sorted(VENUES.values(), key=lambda venue: venue.name)
        for one in get_args(ContractClass)
    ]


def _reason(venue: Venue, contract_class: ContractClass) -> str | None:
    reason = venue.reasons.get(contract_class)
    where = f"{venue.name}: {contract_class} contracts are"
    if any(_covers(product, contract_class) for product in venue.products):
        if reason is not None:
            raise ValueError(f"{where} followed; take them out of its not_followed")
        return None
    if reason is None:
        raise ValueError(f"{where} not followed; say why in its not_followed")
    return reason


def _covers(product: Product, contract_class: ContractClass) -> bool:
    if contract_class == "inverse":
        return product.contract_kind == "inverse"
    quote = {"linear_usdt": "USDT", "linear_usdc": "USDC"}.get(contract_class)
    return product.contract_kind == "linear" and quote in product.quotes


def model() -> str:
    """Return the SQL of ``marts.venue_coverage``."""
    rows = [
        f"    ({_text(one.venue)}, {_text(one.contract_class)}, "
        f"{'true' if one.reason is None else 'false'}, {_text(one.reason)})"
        for one in coverage()
    ]
    return _HEADER + ",\n".join(rows) + "\n" + _FOOTER


def _text(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


if __name__ == "__main__":
    sys.stdout.write(model())
