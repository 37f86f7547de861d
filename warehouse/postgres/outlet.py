"""Copying a publication to PostgreSQL: one transaction, after which readers see the new one whole.

Belongs here: the order of things. Does not belong here: DDL (``outlet_tables``), rows
(``outlet_rows``), errors of the server (``server_session``).
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from asyncpg import Connection

from warehouse.postgres.outlet_rows import (
    ALL_SLICES,
    changed_ranges,
    check_release,
    find_difference,
    keep_days,
    newest_hour_published,
    oldest_hour,
    replace_slices,
)
from warehouse.postgres.outlet_tables import (
    OUTLET_SCHEMA,
    OutletBounds,
    finish_tables,
    open_books,
    outlet_relations,
    prepare_tables,
    this_release,
)
from warehouse.postgres.server_address import ServerAddress
from warehouse.postgres.server_session import exclude_other_publishers, open_session
from warehouse.publication_days import published_days
from warehouse.read import Reader, ReadLimits, open_published

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutletReport:
    """What one copy did.

    Parameters
    ----------
    publication_id : str
        The publication that the database holds now.
    row_count : int
        Rows copied.
    slice_count : int
        Hours of relations, or relations without hours, that were replaced, added or dropped.
    seconds : float
        How long it took [s].
    """

    publication_id: str
    row_count: int
    slice_count: int
    seconds: float


def copy_publication(
    address: ServerAddress,
    published: Path,
    *,
    bounds: OutletBounds | None = None,
    limits: ReadLimits | None = None,
    on_relation: Callable[[str, float], None] = lambda name, share: None,  # noqa: ARG005
) -> OutletReport:
    """Bring a database to the newest publication and return what was copied.

    Parameters
    ----------
    address : ServerAddress
        The database.
    published : Path
        The published file.
    bounds : OutletBounds, optional
        How much of the map is copied.
    limits : ReadLimits, optional
        Of the reader of the published file.
    on_relation : callable
        Called with the relation that was compared and the share of relations done.

    Raises
    ------
    OutletRejected
        The database refuses, holds what is not ours, or was written by a later release.
    OutletUnavailable
        It is not there, or another publisher is at work.
    WarehouseError
        There is no published file, or it cannot be read.
    """
    # The version: its folder is named by the publication.
    version = published.resolve()
    with open_published(version if version.exists() else published, limits=limits) as reader:
        return asyncio.run(
            _copy(address, reader, version.parent.name, bounds or OutletBounds(), on_relation)
        )


async def _copy(
    address: ServerAddress,
    reader: Reader,
    publication_id: str,
    bounds: OutletBounds,
    on_relation: Callable[[str, float], None],
) -> OutletReport:
    began = time.monotonic()
    async with open_session(address) as connection:
        async with connection.transaction():
            await exclude_other_publishers(connection, address)
            await open_books(connection, address)
            rows, slices, emptied = await _bring_up_to_date(
                connection, address, reader, bounds, on_relation
            )
            await connection.execute(f"delete from {OUTLET_SCHEMA}.publication")
            await connection.execute(
                f"insert into {OUTLET_SCHEMA}.publication values ($1, $2, now())",
                publication_id,
                this_release(),
            )
        # Outside the transaction: readers need not wait for what only plans queries.
        for name in sorted(emptied):
            await connection.execute(f"analyze {name}")
    report = OutletReport(publication_id, rows, slices, time.monotonic() - began)
    logger.info("copied to %s: %s", address, report)
    return report


async def _bring_up_to_date(
    connection: Connection,
    address: ServerAddress,
    reader: Reader,
    bounds: OutletBounds,
    on_relation: Callable[[str, float], None],
) -> tuple[int, int, set[str]]:
    """Make tables and rows those of the file; return rows copied, slices changed, tables filled."""
    wanted = outlet_relations(bounds)
    check_release(reader, wanted)
    emptied = await prepare_tables(connection, address, wanted)
    days = published_days(reader)
    ranges = await changed_ranges(connection, days)
    newest = newest_hour_published(reader)
    row_count = slice_count = 0
    for number, each in enumerate(wanted):
        oldest = oldest_hour(reader, each, newest) if each.is_hourly else None
        where = ALL_SLICES if each.name in emptied else ranges
        difference = await find_difference(connection, reader, each, where, oldest)
        row_count += await replace_slices(connection, reader, each, difference)
        slice_count += len({*difference.gone, *difference.fresh})
        on_relation(each.name, (number + 1) / len(wanted))
    await finish_tables(connection, wanted, emptied)
    await keep_days(connection, days)
    return row_count, slice_count, emptied
