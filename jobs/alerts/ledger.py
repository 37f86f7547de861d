"""The alert ledger: which alerts fired, and the messages that wait, in one SQLite file of the home.

Belongs here: recording findings with their messages, taking messages, marking them as delivered.
Does not belong here: whether a condition held (`jobs.alerts.conditions`), what a finding changes
(`jobs.alerts.spells`), sending (`jobs.alerts.deliver`).

A finding's effects and its messages are one transaction: a process killed at any instant has
neither lost an alert nor recorded one without its message. A message is sealed before it is sent:
whoever sends it again sends the same words under the same key.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jobs.alerts.finding import RuleFinding
from jobs.alerts.ledger_file import LEDGER_FORM
from jobs.alerts.ledger_records import Alert, Message, Policy, Recorded, Waiting, Wording
from jobs.alerts.ledger_rows import ALERT_COLUMNS, from_hour, read_alert, read_alerts, to_hour
from jobs.alerts.recording import AlertRecording, Words
from jobs.alerts.rule import read_quiet_hours
from jobs.instants import to_instant, to_microseconds
from jobs.sqlite_file import file_errors, open_file, transaction

MOST_IN_DIGEST = 500

_UNSEEN_HOURS = 24

Digest = Callable[[Sequence[Alert]], Wording]
"""Words several alerts as one message."""


class AlertLedger:
    """The ledger of one home; several processes may open it.

    Parameters
    ----------
    path : Path
        Its file; made where absent.

    Raises
    ------
    LedgerDamaged
        The file is torn or none of ours; nothing is changed.
    LedgerUnavailable
        It cannot be opened at present.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = open_file(path, LEDGER_FORM)

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with file_errors(self.path, LEDGER_FORM):
            self._connection.close()

    def __enter__(self) -> "AlertLedger":
        """Return the ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    # Findings.

    def evaluated_until(self, rules: Iterable[str]) -> datetime | None:
        """Return the newest hour up to which every one of some rules was evaluated.

        Rules that never were are left out: they begin with the newest hour. None where no rule was.
        """
        known = dict(self._rows("select rule, until_hour from evaluated_rule"))
        hours = [known[rule] for rule in rules if rule in known]
        return from_hour(min(hours)) if hours else None

    def record(
        self,
        findings: Sequence[RuleFinding],
        policies: Mapping[str, Policy],
        words: Words,
        settled_until: datetime,
        *,
        is_whole: bool = True,
    ) -> Recorded:
        """Record what was found, with the messages that follow, and return what it changed.

        The same findings again change nothing, also after the process was killed.

        Parameters
        ----------
        findings : sequence of RuleFinding
            For each rule and asset with data in an hour at least one; a key without a finding there
            is off. An hour in which a rule has none, or unknown ones only, leaves all as it is.
        policies : mapping of str to Policy
            By rule; findings of other rules are left out.
        words : Words
            How alerts are worded.
        settled_until : datetime
            The newest hour whose data are whole, UTC. What fires for a later one is not corrected
            by the rest of its hour.
        is_whole : bool
            Whether every hour up to then was evaluated; if not, the next run does.
        """
        with self._transaction() as connection:
            recorded = AlertRecording(connection, policies, words, settled_until).record(findings)
            if not is_whole:
                return recorded
            settled_hour = to_hour(settled_until)
            connection.executemany(
                "insert into evaluated_rule values (?1, ?2) on conflict (rule) "
                "do update set until_hour = max(until_hour, ?2)",
                ((rule, settled_hour) for rule in policies),
            )
        return recorded

    def retire(
        self, kept: Collection[str], hour: datetime, *, not_evaluated: Collection[str] = ()
    ) -> int:
        """Clear what can no longer clear itself and return how many alerts that were.

        That is alerts of rules that were removed, and of things unseen for a day: an asset that
        vanished, a venue without data. No message says so.

        Parameters
        ----------
        kept : collection of str
            The rules there are.
        hour : datetime
            The newest hour, UTC.
        not_evaluated : collection of str
            Those of them that could not be evaluated: what they watch is not unseen.
        """
        with self._transaction() as connection:
            connection.execute(
                "create temp table if not exists kept_rule "
                "(rule text primary key, is_evaluated integer not null)"
            )
            connection.execute("delete from kept_rule")
            connection.executemany(
                "insert into kept_rule values (?, ?)",
                ((one, one not in not_evaluated) for one in kept),
            )
            gone = "rule not in (select rule from kept_rule)"
            connection.execute(f"delete from evaluated_rule where {gone}")
            unseen = connection.execute(
                f"delete from spell where {gone} or (is_on and last_hour < ? "
                "and rule in (select rule from kept_rule where is_evaluated)) "
                "returning rule, asset, key, last_hour",
                (to_hour(hour) - _UNSEEN_HOURS,),
            ).fetchall()
            return sum(
                connection.execute(
                    "update alert set cleared_hour = ?, revision = revision + 1 "
                    "where rule = ? and asset = ? and key = ? and cleared_hour is null",
                    (last_hour + 1, rule, asset, key),
                ).rowcount
                for rule, asset, key, last_hour in unseen
            )

    # Messages.

    def waiting_targets(self) -> tuple[str, ...]:
        """Return the targets for which messages wait, quiet hours and backoff aside."""
        rows = self._rows(
            "select target from outbox union select target from message order by target"
        )
        return tuple(target for (target,) in rows)

    def waiting(self) -> tuple[Waiting, ...]:
        """Return what waits for each target, and why where sending has failed."""
        rows = self._rows(
            "select outbox.target, count(*), coalesce(max(message.attempts), 0), "
            "max(message.next_at), max(message.error) from outbox "
            "left join message on outbox.target = message.target "
            "group by outbox.target order by outbox.target"
        )
        return tuple(
            Waiting(target, count, attempts, to_instant(next_at) if attempts else None, error)
            for target, count, attempts, next_at, error in rows
        )

    def next_message(
        self, target: str, at: datetime, digest_of: Digest, *, digest_above: int = 5
    ) -> Message | None:
        """Return the message to send to a target next, None where nothing is due.

        The same message until `mark_delivered`, also after the process was killed. Messages of a
        target are in the order they were recorded; those in their quiet hours let others pass.

        Parameters
        ----------
        target : str
            Name of the target.
        at : datetime
            The present, UTC.
        digest_of : callable
            Words more than `digest_above` due messages as one.
        digest_above : int
            Most messages that are sent one by one.
        """
        with self._transaction() as connection:
            sealed = _sealed_message(connection, target)
            if sealed is None:
                self._seal(connection, target, at, digest_of, digest_above)
                sealed = _sealed_message(connection, target)
            if sealed is None:
                return None
            message, next_at = sealed
            if next_at > at:
                return None
            # A full disk is met here: what cannot be noted as sent would be sent by every run.
            connection.execute(
                "update message set sealed_at = ? where message_id = ?",
                (to_microseconds(at), message.message_id),
            )
        return message

    def _seal(
        self,
        connection: sqlite3.Connection,
        target: str,
        at: datetime,
        digest_of: Digest,
        digest_above: int,
    ) -> None:
        due = [
            row
            for row in connection.execute(
                "select outbox_id, alert_id, message_key, kind, quiet_hours, title, body "
                "from outbox where target = ? and message_id is null order by outbox_id",
                (target,),
            )
            if row[4] is None or not read_quiet_hours(row[4]).include(at)
        ][:MOST_IN_DIGEST]
        if not due:
            return
        if len(due) > digest_above:
            alerts = read_alerts(connection, (row[1] for row in due))
            # With the words of each message: those of a correction are not the alert's.
            words = digest_of(
                [
                    replace(alert, wording=Wording(*row[5:7]))
                    for alert, row in zip(alerts, due, strict=True)
                ]
            )
            joined = "".join(row[2] for row in due)
            key, kind = hashlib.sha256(joined.encode()).hexdigest(), "digest"
        else:
            due = due[:1]
            _, _, key, kind, _, title, body = due[0]
            words = Wording(title, body)
        now = to_microseconds(at)
        message_id = connection.execute(
            "insert into message (message_key, target, kind, title, body, sealed_at, next_at) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            (key, target, kind, words.title, words.body, now, now),
        ).lastrowid
        connection.executemany(
            "update outbox set message_id = ? where outbox_id = ?",
            ((message_id, row[0]) for row in due),
        )

    def mark_delivered(self, message: Message, at: datetime) -> None:
        """Forget a message that its target has; its alerts are delivered once all targets have it.

        Marking a message twice changes nothing.
        """
        with self._transaction() as connection:
            alert_ids = connection.execute(
                "select distinct alert_id from outbox where message_id = ? and kind = 'alert'",
                (message.message_id,),
            ).fetchall()
            connection.execute("delete from outbox where message_id = ?", (message.message_id,))
            connection.execute("delete from message where message_id = ?", (message.message_id,))
            connection.executemany(
                "update alert set delivered_at = ?1, revision = revision + 1 where alert_id = ?2 "
                "and not is_given_up and not exists "
                "(select 1 from outbox where alert_id = ?2 and kind = 'alert')",
                ((to_microseconds(at), alert_id) for (alert_id,) in alert_ids),
            )

    def postpone(self, message: Message, until: datetime, error: str) -> None:
        """Keep a message that could not be sent until an instant, with the reason.

        Later messages of the target wait behind it.
        """
        with self._transaction() as connection:
            connection.execute(
                "update message set attempts = attempts + 1, next_at = ?, error = ? "
                "where message_id = ?",
                (to_microseconds(until), error, message.message_id),
            )

    def drop_message(self, message: Message) -> None:
        """Give up a message: its alerts stay, and are not delivered to its target."""
        with self._transaction() as connection:
            connection.execute(
                "update alert set is_given_up = 1 where alert_id in "
                "(select alert_id from outbox where message_id = ? and kind = 'alert')",
                (message.message_id,),
            )
            connection.execute("delete from outbox where message_id = ?", (message.message_id,))
            connection.execute("delete from message where message_id = ?", (message.message_id,))

    def drop_target(self, target: str) -> int:
        """Forget what waits for a target that no rule names any more; return how many messages."""
        with self._transaction() as connection:
            connection.execute("delete from message where target = ?", (target,))
            return connection.execute("delete from outbox where target = ?", (target,)).rowcount

    # Alerts.

    def alerts(
        self, since: datetime, rule: str | None = None, asset: str | None = None
    ) -> tuple[Alert, ...]:
        """Return the alerts that fired for an hour or a later one, oldest first.

        Parameters
        ----------
        since : datetime
            The first hour, UTC.
        rule, asset : str, optional
            Only those of a rule, of an asset.
        """
        rows = self._rows(
            f"select {ALERT_COLUMNS} from alert where fired_hour >= ?1 "
            "and (?2 is null or rule = ?2) and (?3 is null or asset = ?3) "
            "order by fired_hour, alert_id",
            (to_hour(since), rule, asset),
        )
        return tuple(map(read_alert, rows))

    # Rows of `marts.alerts`.

    def unlanded(self, limit: int) -> list[tuple[int, int, Alert]]:
        """Return alerts that changed since they last landed: number, revision, alert."""
        rows = self._rows(
            f"select alert_id, revision, {ALERT_COLUMNS} from alert "
            "where revision > landed_revision order by alert_id limit ?",
            (limit,),
        )
        return [(alert_id, revision, read_alert(row)) for alert_id, revision, *row in rows]

    def mark_landed(self, revisions: Iterable[tuple[int, int]]) -> None:
        """Note the revision of each alert, by its number, that has landed."""
        with self._transaction() as connection:
            connection.executemany(
                "update alert set landed_revision = max(landed_revision, ?2) where alert_id = ?1",
                revisions,
            )

    # The file.

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with file_errors(self.path, LEDGER_FORM):
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction: all of it is committed, or nothing."""
        with file_errors(self.path, LEDGER_FORM), transaction(self._connection):
            yield self._connection


def _sealed_message(connection: sqlite3.Connection, target: str) -> tuple[Message, datetime] | None:
    row = connection.execute(
        "select message_id, message_key, kind, title, body, attempts, next_at from message "
        "where target = ?",
        (target,),
    ).fetchone()
    if row is None:
        return None
    message_id, key, kind, title, body, attempts, next_at = row
    alert_ids = dict.fromkeys(
        alert_id
        for (alert_id,) in connection.execute(
            "select alert_id from outbox where message_id = ? order by outbox_id", (message_id,)
        )
    )
    alerts = read_alerts(connection, alert_ids)
    message = Message(message_id, key, target, kind, Wording(title, body), alerts, attempts)
    return message, to_instant(next_at)
