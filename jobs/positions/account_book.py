"""The account book: what is known of each account, in one SQLite file of the collector's home.

Belongs here: accounts, their last states, trades since, what waits to land. Does not belong here:
the file itself (`jobs.positions.book_file`), what a state changes (`jobs.positions.state_changes`),
whose turn it is (`jobs.positions.sweep_order`).

One process writes, one transaction a batch: a state and the changes it makes are stored together,
so that a process killed at any instant has neither lost a change nor stored one twice.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from jobs.instants import to_instant, to_microseconds
from jobs.positions.book_file import (
    account_key,
    book_errors,
    damaged,
    fingerprint,
    open_connection,
    read_salt,
)
from jobs.positions.book_records import (
    FoundAccount,
    HeldPositions,
    KnownSweep,
    StoredState,
    Suspect,
    SweptState,
    Trading,
)
from jobs.positions.book_rows import (
    POSITION_EXTENT,
    POSITIONS_AT,
    columns_of,
    empty_columns,
    held_state,
    write_state,
)
from jobs.positions.state_changes import (
    PositionChange,
    StateVerdict,
    changes_between,
    judge_state,
    standing_positions,
)
from jobs.sqlite_file import transaction

_MOST_SEALED = 100_000
_CHUNK_ROWS = 2_000


class AccountBook:
    """The book of one home; one thread at a time calls it.

    Parameters
    ----------
    path : Path
        Its file; made where absent, with the key of account names beside it.

    Raises
    ------
    BookDamaged
        The file is torn or none of ours, or the key is another one; nothing is changed.
    BookUnavailable
        It cannot be opened at present.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_connection(path)
        try:
            self._salt = read_salt(path.parent)
            self._check_salt()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with book_errors(self.path):
            self._connection.close()

    def _check_salt(self) -> None:
        mark = fingerprint(self._salt)
        known = self.meta("salt_fingerprint")
        if known is None:
            self.put_meta("salt_fingerprint", mark)
        elif known != mark:
            raise damaged(
                self.path,
                f"{self.path.parent / 'salt'} is not the key it was made with: put that back",
            )

    # Accounts.

    def addresses(self) -> Iterator[FoundAccount]:
        """Yield the accounts, by number."""
        for rows in self._chunks(
            "select account_id, address, found_by, first_seen_at from account order by account_id"
        ):
            yield from (FoundAccount(*row) for row in rows)

    def sweeps(self) -> Iterator[KnownSweep]:
        """Yield each account's last state on each dex, without its positions.

        Not of builders' dexes on which it neither traded nor holds anything.
        """
        for rows in self._chunks(
            "select account_id, dex, observed_at, usual_trades_per_hour from sweep "
            "where dex = '' or usual_trades_per_hour > 0 or exists (select 1 from position "
            "where position.account_id = sweep.account_id and position.dex = sweep.dex) "
            "order by account_id"
        ):
            yield from (KnownSweep(*row) for row in rows)

    def trading(self) -> Iterator[tuple[int, str, Trading]]:
        """Yield (account, dex, what it traded there since its last state), as last written down."""
        for account_id, dex, *values in self._rows(
            "select account_id, dex, first_at, last_at, usd, trades from traded"
        ):
            yield account_id, dex, Trading(*values)

    def account_name(self, address: bytes) -> str:
        """Return the name of an account outside this folder: a hash under the home's own key."""
        return account_key(address, self._salt)

    # Batches.

    def store(
        self,
        found: Sequence[FoundAccount] = (),
        swept: Sequence[SweptState] = (),
        record_of: "Callable[[StoredState, PositionChange], str | None] | None" = None,
        suspects_of: "Callable[[StoredState], Iterable[Suspect]] | None" = None,
    ) -> list[StoredState]:
        """Store a batch in one transaction and return what became of each state.

        Parameters
        ----------
        found : sequence of FoundAccount
            Accounts found since the batch before.
        swept : sequence of SweptState
            States received, in order.
        record_of : callable, optional
            Makes of a change the record that is to land; None where none is.
        suspects_of : callable, optional
            Which liquidations a state makes likely.

        Raises
        ------
        BookUnavailable, BookDamaged
            Nothing of the batch is stored: give it again.
        """
        with self._transaction() as connection:
            connection.executemany(
                # A batch whose end nobody waited for may be given again.
                "insert or ignore into account values (?, ?, ?, ?)",
                ((one.account_id, one.address, one.found_by, one.first_seen_at) for one in found),
            )
            stored = [self._store_state(connection, one) for one in swept]
            for state in stored:
                if record_of is not None:
                    records = (record_of(state, change) for change in state.changes)
                    _post(connection, "account_position", (one for one in records if one))
                if suspects_of is not None:
                    connection.executemany(
                        "insert or ignore into suspect values (?, ?, ?, ?, ?, ?)",
                        (
                            (s.account_id, s.coin, s.since_at, s.until_at, s.value_usd, s.attempts)
                            for s in suspects_of(state)
                        ),
                    )
        return stored

    def _store_state(self, connection: sqlite3.Connection, swept: SweptState) -> StoredState:
        state = swept.state
        held = held_state(connection, swept.account_id, state.dex)
        previous_at = None if held is None else held.observed_at
        verdict = judge_state(
            held, state, swept.observed_at, swept.received_at, was_empty=swept.was_empty
        )
        if verdict is not StateVerdict.believed:
            kept = () if held is None else tuple(one.position for one in held.positions.values())
            return StoredState(swept, verdict, kept, (), previous_at)
        positions = standing_positions(held, state)
        changes = tuple(changes_between(held, positions))
        write_state(connection, swept, held, positions, {one.position.coin for one in changes})
        return StoredState(swept, verdict, positions, changes, previous_at)

    def write_trading(self, trading: Iterable[tuple[int, str, Trading]]) -> None:
        """Write down (account, dex, what it traded there since its last state)."""
        with self._transaction() as connection:
            connection.executemany(
                "insert or replace into traded values (?, ?, ?, ?, ?, ?)",
                (
                    (account_id, dex, one.first_at, one.last_at, one.usd, one.trades)
                    for account_id, dex, one in trading
                ),
            )

    # What waits to land.

    def seal(self, kind: str, at: datetime) -> tuple[int, int, datetime, list[str]] | None:
        """Return the records of the next file of a kind: first and last id, instant, payloads.

        The same until `discard` is called, also after the process was killed: the same records
        under the same numbers make the same file. None where nothing waits.

        Parameters
        ----------
        kind : str
            Kind of records.
        at : datetime
            The instant that the records of a new file carry, UTC.
        """
        with self._transaction(is_synced=True) as connection:
            connection.execute(
                "insert or ignore into sealed select kind, min(outbox_id), max(outbox_id), ? "
                "from (select kind, outbox_id from outbox where kind = ? order by outbox_id "
                f"limit {_MOST_SEALED}) group by kind",
                (to_microseconds(at), kind),
            )
            row = connection.execute(
                "select first_id, last_id, sealed_at from sealed where kind = ?", (kind,)
            ).fetchone()
            if row is None:
                return None
            first, last, sealed_at = row
            payloads = connection.execute(
                "select payload from outbox where kind = ? and outbox_id between ? and ? "
                "order by outbox_id",
                (kind, first, last),
            ).fetchall()
        return first, last, to_instant(sealed_at), [payload for (payload,) in payloads]

    def discard(self, kind: str, last_id: int) -> None:
        """Forget the records of a kind up to a number: their file is written."""
        with self._transaction() as connection:
            connection.execute(
                "delete from outbox where kind = ? and outbox_id <= ?", (kind, last_id)
            )
            connection.execute("delete from sealed where kind = ?", (kind,))

    def waiting(self) -> int:
        """Return how many records wait to land."""
        ((count,),) = self._rows("select count(*) from outbox")
        return int(count)

    # Suspected liquidations.

    def next_suspects(self) -> list[Suspect]:
        """Return all suspected liquidations of the account with the largest; none: empty."""
        rows = self._rows(
            "select account_id, coin, since_at, until_at, value_usd, attempts from suspect "
            "where account_id = "
            "(select account_id from suspect order by attempts, value_usd desc limit 1) "
            "order by value_usd desc"
        )
        return [Suspect(*row) for row in rows]

    def settle(self, suspects: Iterable[Suspect], records: Iterable[str] = ()) -> None:
        """Close suspicions together with the records they led to."""
        with self._transaction() as connection:
            connection.executemany(
                "delete from suspect where account_id = ? and coin = ? and since_at = ?",
                ((one.account_id, one.coin, one.since_at) for one in suspects),
            )
            _post(connection, "realised_liquidation", records)

    def postpone(self, suspects: Iterable[Suspect], most_attempts: int) -> None:
        """Count a look-up that failed; after too many the suspicion is dropped."""
        with self._transaction() as connection:
            connection.executemany(
                "update suspect set attempts = attempts + 1 "
                "where account_id = ? and coin = ? and since_at = ?",
                ((one.account_id, one.coin, one.since_at) for one in suspects),
            )
            connection.execute("delete from suspect where attempts >= ?", (most_attempts,))

    # The whole.

    def positions_of(self, at: datetime) -> HeldPositions:
        """Return all positions as last seen, for a map.

        Parameters
        ----------
        at : datetime
            The instant of the map: later trades are not reported, UTC.
        """
        until = to_microseconds(at)
        ((count, *widths),) = self._rows(POSITION_EXTENT)
        columns = empty_columns(count, *widths)
        end = 0
        for rows in self._chunks(POSITIONS_AT, (until,)):
            start, end = end, end + len(rows)
            for name, values in columns_of(rows).items():
                columns[name][start:end] = values
        ((accounts, first_seen_at),) = self._rows(
            "select count(*), (select first_seen_at from account order by account_id limit 1) "
            "from account"
        )
        return HeldPositions(
            **columns,
            first_seen_at=None if first_seen_at is None else to_instant(first_seen_at),
            account_count=accounts,
        )

    def meta(self, name: str) -> str | None:
        """Return a value kept under a name."""
        for (value,) in self._rows("select value from meta where name = ?", (name,)):
            return str(value)
        return None

    def put_meta(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        with self._transaction() as connection:
            connection.execute("insert or replace into meta values (?, ?)", (name, value))

    def checkpoint(self) -> None:
        """Fold the log into the file and sync both."""
        self._rows("pragma wal_checkpoint(truncate)")

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with book_errors(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    def _chunks(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[list[Any]]:
        """Yield rows some at a time: as Python objects all of them would fill the memory."""
        with book_errors(self.path):
            cursor = self._connection.execute(sql, parameters)
            while rows := cursor.fetchmany(_CHUNK_ROWS):
                yield rows

    @contextmanager
    def _transaction(self, *, is_synced: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction: all of it is committed, or nothing.

        A synced one survives a power cut, and so does all that was committed before it.
        """
        connection = self._connection
        with book_errors(self.path):
            if is_synced:
                connection.execute("pragma synchronous = full")
            try:
                with transaction(connection):
                    yield connection
            finally:
                if is_synced:
                    connection.execute("pragma synchronous = normal")


def _post(connection: sqlite3.Connection, kind: str, payloads: Iterable[str]) -> None:
    connection.executemany(
        "insert into outbox (kind, payload) values (?, ?)", ((kind, one) for one in payloads)
    )
