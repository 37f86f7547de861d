"""What leaves the account book for landing: changes of positions, confirmed liquidations.

Belongs here: their form in the outbox and as files. Does not belong here: what changed
(`jobs.positions.state_changes`), keeping the outbox (`jobs.positions.account_book`).

Records wait in the book. They are sealed: numbered and dated once and for all, then written to a
file named by both, then forgotten. A process killed in between writes the same file again.
"""

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import Any

from jobs.collect.landing import apart_by_names, land
from jobs.instants import to_instant, to_microseconds
from jobs.positions.account_book import AccountBook
from jobs.positions.book_records import StoredState
from jobs.positions.state_changes import PositionChange
from jobs.settings import Settings
from sources.accounts.fills import AccountLiquidation, liquidation_batch
from sources.records import Batch, make_batch

logger = logging.getLogger(__name__)

VENUE = "hyperliquid"
SOURCE = "hyperliquid:clearinghouseState"
CHANGES, LIQUIDATIONS = "account_position", "realised_liquidation"

# The columns of a change, in the order the outbox keeps them.
_INSTANTS = ("observed_at", "previous_at", "traded_from_at", "traded_until_at")
_COLUMNS = (
    "account_key",
    "asset",
    *_INSTANTS,
    "change",
    "side",
    "quantity",
    "previous_quantity",
    "entry_price",
    "liquidation_price",
    "leverage",
    "is_cross",
    "margin_usd",
    "mark_price",
    "account_value_usd",
)


def change_record(
    stored: StoredState, change: PositionChange, account_key: str, mark_price: float
) -> str:
    """Return a change as the outbox keeps it.

    Parameters
    ----------
    stored : StoredState
        The state in which it was found.
    change : PositionChange
        What changed.
    account_key : str
        Name of the account outside the collector's folder.
    mark_price : float
        Newest mark price of the coin [USD per asset unit], for a position that the state does not
        show; NaN where it is not known.
    """
    position = change.position
    traded_from_at, traded_until_at = _trading_seen(stored)
    is_closed = change.change == "closed"
    values = (
        account_key,
        position.asset,
        stored.swept.observed_at,
        stored.previous_at,
        traded_from_at,
        traded_until_at,
        change.change,
        position.side,
        change.quantity,
        None if change.previous is None else change.previous.quantity,
        position.entry_price,
        position.liquidation_price,
        position.leverage,
        position.is_cross,
        None if is_closed else position.margin_usd,
        mark_price if is_closed else position.mark_price,
        stored.swept.state.account_value_usd,
    )
    return json.dumps([_stored(value) for value in values], separators=(",", ":"))


def _trading_seen(stored: StoredState) -> tuple[int | None, int | None]:
    """Return the first and last trade between two states, where the stream saw all of them."""
    swept = stored.swept
    trading = swept.trading
    if trading is None or not swept.is_trading_whole or trading.first_at > swept.observed_at:
        return None, None
    return trading.first_at, min(trading.last_at, swept.observed_at)


def _stored(value: Any) -> Any:  # noqa: ANN401  (a value of JSON)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def liquidation_record(liquidation: AccountLiquidation) -> str:
    """Return a confirmed liquidation as the outbox keeps it."""
    coin, at, *rest = astuple(liquidation)
    return json.dumps([coin, to_microseconds(at), *rest], separators=(",", ":"))


def land_outbox(book: AccountBook, settings: Settings, at: datetime) -> int:
    """Land what waits in the outbox and return how many records landed.

    Parameters
    ----------
    book : AccountBook
        Where it waits.
    settings : Settings
        Where to land.
    at : datetime
        The present, UTC.

    Raises
    ------
    StorageFull
        There is no room on the disk: the records stay in the book.
    BookUnavailable, BookDamaged
        The book cannot be used.
    """
    count = 0
    for kind, make in ((CHANGES, _change_batch), (LIQUIDATIONS, _liquidation_batch)):
        while (sealed := book.seal(kind, at)) is not None:
            first, last, sealed_at, payloads = sealed
            digest = hashlib.sha256(f"{sealed_at.isoformat()} {first} {last}".encode()).hexdigest()
            # As live batches end (`warehouse.load.LIVE_NAME`): it never recurs.
            ending = f"{sealed_at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
            _land_sealed(make(payloads, sealed_at), settings, ending)
            book.discard(kind, last)
            count += len(payloads)
    return count


def _land_sealed(whole: Batch, settings: Settings, ending: str) -> None:
    """Land a batch; rows whose asset has a malformed name land apart."""
    for batch, suffix in apart_by_names(whole):
        # Not by the venue's name alone: `liqheat status` takes such files for its ingestion.
        land(batch, settings.landing, f"{VENUE}_positions{suffix}-{ending}")


def _change_batch(payloads: Sequence[str], sealed_at: datetime) -> Batch:
    rows = [json.loads(payload) for payload in payloads]
    columns: dict[str, object] = dict(
        zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True)
    )
    columns |= {"venue_scope": VENUE, "source": SOURCE, "ingested_at": sealed_at}
    return make_batch(CHANGES, len(rows), columns)


def _liquidation_batch(payloads: Sequence[str], sealed_at: datetime) -> Batch:
    rows = [json.loads(payload) for payload in payloads]
    return liquidation_batch(
        [AccountLiquidation(coin, to_instant(at), *rest) for coin, at, *rest in rows], sealed_at
    )
