"""Rows of the alert ledger as records, and back.

Belongs here: how hours, figures and alerts are stored. Does not belong here: what is stored when.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobs.alerts.ledger_records import Alert, Wording, finite
from jobs.instants import HOUR_MICROSECONDS, to_instant, to_microseconds

ALERT_COLUMNS = (
    "alert_key, rule, asset, key, fired_hour, cleared_hour, delivered_at, measure, figures, "
    "title, body, is_withdrawn, correction_count"
)


def to_hour(instant: datetime) -> int:
    """Return an hour as the ledger keeps it: hours since 1970, UTC."""
    return to_microseconds(instant) // HOUR_MICROSECONDS


def from_hour(hour: int) -> datetime:
    """Return the instant of an hour as the ledger keeps it, UTC."""
    return to_instant(0) + timedelta(hours=hour)


def figures_text(figures: Mapping[str, object]) -> str:
    """Return figures as JSON; numbers that are not finite become null.

    Examples
    --------
    >>> figures_text({"price": 100.0, "distance_ratio": float("nan")})
    '{"price":100.0,"distance_ratio":null}'
    """
    plain = {name: finite(value) for name, value in figures.items()}
    return json.dumps(plain, separators=(",", ":"))


def read_alert(row: Sequence[Any]) -> Alert:
    """Return the alert of a row of `ALERT_COLUMNS`."""
    alert_key, rule, asset, key, fired, cleared, delivered, measure, figures, title, body = row[:11]
    return Alert(
        alert_key,
        rule,
        asset,
        key,
        fired_at=from_hour(fired),
        cleared_at=None if cleared is None else from_hour(cleared),
        delivered_at=None if delivered is None else to_instant(delivered),
        measure=measure,
        figures=json.loads(figures),
        wording=Wording(title, body),
        is_withdrawn=bool(row[11]),
        correction_count=row[12],
    )


def read_alerts(connection: sqlite3.Connection, alert_ids: Iterable[int]) -> tuple[Alert, ...]:
    """Return alerts by number, in the order given."""
    return tuple(
        read_alert(
            connection.execute(
                f"select {ALERT_COLUMNS} from alert where alert_id = ?", (alert_id,)
            ).fetchone()
        )
        for alert_id in alert_ids
    )
