"""Which contracts are followed: what venues list now, or listed last, and the universe's choice.

Belongs here: listing contracts, choosing among them, landing descriptions that changed. Does not
belong here: the rule of choice (`sources.universe`), reading a listing (`sources.venues`).
"""

import asyncio
import logging
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa

from jobs.collect.scope import Clock, Scope, venue_connections
from jobs.collect.warehouse_state import WarehouseState, read_warehouse_state
from sources.errors import SourceError
from sources.records import SCHEMAS, Batch
from sources.universe import Change, Listing, Universe, choose_instruments, compare_listings
from sources.venues.client import VenueClient
from sources.venues.connection import Connection
from sources.venues.instruments import Instrument
from sources.venues.request import Request
from sources.venues.rounds import run_round
from warehouse.lookups import ListedContract

logger = logging.getLogger(__name__)

# A followed asset stays followed while it is this close to the largest: ranks change daily.
_TOP_MARGIN = 1.2


@dataclass(frozen=True, slots=True)
class VenueListings:
    """What venues list.

    Parameters
    ----------
    instruments : mapping of venue to mapping of instrument to Instrument
        Venues that answered.
    failures : mapping of venue to str
        Why the others could not be listed.
    """

    instruments: Mapping[str, Mapping[str, Instrument]]
    failures: Mapping[str, str]

    def listings(
        self, usd: Mapping[tuple[str, str], float] = MappingProxyType({})
    ) -> list[Listing]:
        """Return the contracts in the form to choose from, with open interest [USD]."""
        return [
            Listing(venue, name, one.asset, one.is_active, usd.get((venue, name)))
            for venue, instruments in self.instruments.items()
            for name, one in instruments.items()
        ]


@asynccontextmanager
async def open_clients(
    scope: Scope, connections: Mapping[str, Connection]
) -> AsyncIterator[list[VenueClient]]:
    """Yield an open client for each venue of the round's universe."""
    seed, now = scope.effort.seed, scope.clock().isoformat()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                VenueClient(
                    name,
                    clock=scope.clock,
                    rng=random.Random(f"{seed} {name} {now}"),  # noqa: S311  (jitter)
                    connection=connections[name],
                    policy=scope.effort.policy,
                )
            )
            for name in scope.universe.venues
        ]


async def list_contracts(clients: Sequence[VenueClient], budget_seconds: float) -> VenueListings:
    """Return what venues list, each within a budget [seconds]."""

    async def list_one(client: VenueClient) -> Mapping[str, Instrument] | str:
        client.allow(budget_seconds)
        try:
            async with asyncio.timeout(budget_seconds):
                return await client.known_instruments()
        except SourceError as exc:
            return str(exc)
        except TimeoutError:
            return f"{client.venue.name}: no list of contracts within {budget_seconds:g} s"

    answers = await asyncio.gather(*map(list_one, clients))
    instruments, failures = {}, {}
    for client, answer in zip(clients, answers, strict=True):
        if isinstance(answer, str):
            failures[client.venue.name] = answer
        else:
            instruments[client.venue.name] = answer
    return VenueListings(instruments, failures)


async def choose_contracts(
    scope: Scope, clients: Sequence[VenueClient], listed: VenueListings, known: WarehouseState
) -> list[Instrument]:
    """Return the contracts to follow among those that venues list.

    Parameters
    ----------
    scope : Scope
        Universe and budget.
    clients : sequence of VenueClient
        To request open interest where none is known.
    listed : VenueListings
        What venues list.
    known : WarehouseState
        Open interest, and what is followed so far.
    """
    listings = await _rank_listings(scope, clients, listed, known)
    chosen = _choose(scope.universe, listings, known)
    return [listed.instruments[one.venue][one.instrument] for one in chosen]


async def _rank_listings(
    scope: Scope, clients: Sequence[VenueClient], listed: VenueListings, known: WarehouseState
) -> list[Listing]:
    """Return what venues list, with open interest where it is known or takes one request."""
    usd = dict(known.interest_usd)
    if not scope.universe.assets and not usd:
        usd = await _open_interest_usd(clients, listed, scope.effort.budget_seconds)
    return listed.listings(usd)


def _choose(
    universe: Universe, listings: Sequence[Listing], known: WarehouseState
) -> list[Listing]:
    """Return the universe's choice; followed assets that are nearly large enough stay."""
    chosen = choose_instruments(universe, listings)
    if universe.assets or not known.feeds:
        return chosen
    wider = universe.model_copy(update={"top": math.ceil(universe.top * _TOP_MARGIN)})
    followed = {feed.asset for feed in known.feeds.values()}
    taken = {(one.venue, one.instrument) for one in chosen}
    return chosen + [
        one
        for one in choose_instruments(wider, listings)
        if one.asset in followed and (one.venue, one.instrument) not in taken
    ]


async def _open_interest_usd(
    clients: Sequence[VenueClient], listed: VenueListings, budget_seconds: float
) -> dict[tuple[str, str], float]:
    """Return open interest [USD] of all contracts of the venues that publish it in one call."""
    found: dict[tuple[str, str], float] = {}

    def take(batch: Batch) -> None:
        for row in batch.table.to_pylist() if batch.kind == "open_interest" else ():
            if row["received_value"] is not None and row["received_value_unit"] == "usd":
                found[row["venue"], row["instrument"]] = row["received_value"]

    requests = []
    for venue, instruments in listed.instruments.items():
        names = tuple(
            name
            for name, one in instruments.items()
            if (current := one.product.open_interest_now) is not None
            and current.value_unit == "usd"
            and current.endpoint.per == "product"
        )
        if names:
            requests.append(Request(venue, "open_interest_now", names))
    if requests:
        await run_round(clients, requests, take, budget_seconds=budget_seconds)
    return found


class FollowedContract(NamedTuple):
    """A contract to follow; `market_id`, the venue's own name, is None where it is not known."""

    venue: str
    instrument: str
    market_id: str | None


def followed_contracts(scope: Scope) -> list[FollowedContract]:
    """Return the contracts to follow, without landing anything.

    A venue that does not answer is represented by the contracts it listed last.

    Raises
    ------
    WarehouseBusy
        Another process writes.
    """
    return asyncio.run(_followed_contracts(scope, read_warehouse_state(scope)))


async def _followed_contracts(scope: Scope, known: WarehouseState) -> list[FollowedContract]:
    connections = venue_connections(scope.settings, scope.universe.venues)
    async with open_clients(scope, connections) as clients:
        listed = await list_contracts(clients, scope.effort.budget_seconds)
        listings = await _rank_listings(scope, clients, listed, known)
    for message in listed.failures.values():
        logger.warning("%s", message)
    listings += [one for one in _earlier_listings(known) if one.venue in listed.failures]
    contracts = []
    for one in _choose(scope.universe, listings, known):
        instrument = listed.instruments.get(one.venue, {}).get(one.instrument)
        market_id = None if instrument is None else instrument.market_id
        contracts.append(FollowedContract(one.venue, one.instrument, market_id))
    return contracts


async def land_contracts(
    clients: Sequence[VenueClient],
    listed: VenueListings,
    known: WarehouseState,
    clock: Clock,
    land: Callable[[Batch], None],
) -> Change:
    """Land contracts whose description changed or that disappeared; return what came and went."""
    before = {(one.venue, one.instrument): one for one in known.listings}
    earlier = {one.venue for one in known.listings}
    for client in clients:
        venue = client.venue.name
        batches = await client.instruments()
        for batch in batches:
            table = batch.table
            if batch.kind == "instrument":
                descriptions = zip(
                    *(table[name].to_pylist() for name in ListedContract._fields), strict=True
                )
                keep = [before.get(one[:2]) != one for one in descriptions]
                table = table.filter(pa.array(keep, pa.bool_()))
            elif venue in earlier:
                # Markets that cannot be used are reported once, not in each round.
                continue
            land(Batch(batch.kind, table))
        now = clock()
        stamp = {"is_active": False, "observed_at": now, "source": "listing", "ingested_at": now}
        gone = [
            one._asdict() | stamp
            for one in known.listings
            if one.venue == venue
            and one.is_active
            and one.instrument not in listed.instruments[venue]
        ]
        if gone:
            land(Batch("instrument", pa.Table.from_pylist(gone, schema=SCHEMAS["instrument"])))
    # The first listing of a venue is no news.
    current = [one for one in listed.listings() if one.venue in earlier]
    return compare_listings(_earlier_listings(known), current)


def _earlier_listings(known: WarehouseState) -> list[Listing]:
    """Return what venues listed before, with open interest [USD]."""
    usd = known.interest_usd
    return [
        Listing(one.venue, one.instrument, one.asset, one.is_active, usd.get(one[:2]))
        for one in known.listings
    ]
