"""What goes into the alert ledger and what comes out of it.

Does not belong here: how it is kept (`jobs.alerts.ledger`), how a rule is written in a file.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobs.alerts.rule import QuietHours


@dataclass(frozen=True, slots=True)
class Policy:
    """How alerts of a rule are sent.

    Parameters
    ----------
    targets : tuple of str
        Names of its targets.
    cooldown_hours : int
        Hours of data after an alert in which another one about the same thing waits.
    quiet_hours : QuietHours, optional
        When its messages wait.
    is_event : bool
        Whether each hour in which its condition holds is an event of its own.
    """

    targets: tuple[str, ...]
    cooldown_hours: int = 0
    quiet_hours: QuietHours | None = None
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a message.

    Parameters
    ----------
    title : str
        One line: what, where.
    body : str
        The rest; may be empty.
    """

    title: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as the ledger holds it.

    Parameters
    ----------
    alert_key : str
        The same for the same rule, asset, key and hour.
    rule, asset, key : str
        As in its finding.
    fired_at : datetime
        The hour it fired for, UTC.
    cleared_at : datetime, optional
        The first hour after it in which the condition no longer held, UTC.
    delivered_at : datetime, optional
        When the last of its targets had it, UTC.
    measure : float, optional
        The figure held against the threshold, as last sent; None where there is none.
    figures : mapping of str to object
        All figures, as last sent.
    wording : Wording
        As sent when it fired.
    is_withdrawn : bool
        Whether a correction said that later data no longer show it.
    correction_count : int
        Corrections sent or waiting.
    """

    alert_key: str
    rule: str
    asset: str
    key: str
    fired_at: datetime
    cleared_at: datetime | None
    delivered_at: datetime | None
    measure: float | None
    figures: Mapping[str, object]
    wording: Wording
    is_withdrawn: bool
    correction_count: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message for one target, the same until it is marked as delivered.

    Parameters
    ----------
    message_id : int
        Its number in the ledger.
    message_key : str
        Idempotency key: the same however often it is sent.
    target : str
        Name of the target.
    kind : str
        alert, correction or digest.
    wording : Wording
        Its words.
    alerts : tuple of Alert
        What it is about; of a digest, all of them.
    attempts : int
        How often sending it has failed.
    """

    message_id: int
    message_key: str
    target: str
    kind: str
    wording: Wording
    alerts: tuple[Alert, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one target.

    Parameters
    ----------
    target : str
        Its name.
    message_count : int
        Messages, quiet hours and backoff aside.
    attempts : int
        How often sending the first of them has failed.
    next_at : datetime, optional
        When it is tried next, UTC; None where it was not tried yet.
    error : str, optional
        Why it failed.
    """

    target: str
    message_count: int
    attempts: int = 0
    next_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one recording changed.

    Parameters
    ----------
    fired, corrected, cleared : int
        Alerts that fired, were corrected, were cleared.
    """

    fired: int = 0
    corrected: int = 0
    cleared: int = 0


def alert_key(rule: str, asset: str, key: str, hour: datetime, correction: int = 0) -> str:
    """Return the idempotency key of an alert, or of one of its corrections.

    Examples
    --------
    >>> at = datetime.fromisoformat("2026-03-02T12:00+00:00")
    >>> alert_key("near", "BTC", "long", at) == alert_key("near", "BTC", "long", at)
    True
    """
    # Each part is preceded by its length, so that no two alerts make the same text.
    parts = [rule, asset, key, hour.isoformat(), str(correction)]
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()


def finite(value: object) -> object:
    """Return a value; None for a number that JSON does not have.

    Examples
    --------
    >>> finite(100.0), finite(float("nan"))
    (100.0, None)
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value


def has_moved(before: float, after: float, ratio: float) -> bool:
    """Return whether a figure moved by more than a share of the larger of both.

    Examples
    --------
    >>> has_moved(100.0, 130.0, 0.25), has_moved(100.0, 140.0, 0.25)
    (False, True)
    """
    return abs(after - before) > ratio * max(abs(before), abs(after))
