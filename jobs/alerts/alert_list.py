"""The alerts of the ledger for people: what fired, and what still waits to be sent."""

from dataclasses import dataclass
from datetime import datetime

from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Alert, Waiting
from jobs.settings import Settings


@dataclass(frozen=True, slots=True)
class AlertList:
    """What the ledger holds.

    Parameters
    ----------
    alerts : tuple of Alert
        Newest first.
    waiting : tuple of Waiting
        What waits, by target.
    """

    alerts: tuple[Alert, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def list_alerts(
    settings: Settings, *, since: datetime, rule: str | None = None, asset: str | None = None
) -> AlertList:
    """Return the alerts that fired since an hour; none where no alert was ever evaluated.

    Parameters
    ----------
    settings : Settings
        Where the ledger is.
    since : datetime
        The first hour, UTC.
    rule, asset : str, optional
        Only alerts of a rule, of an asset.

    Raises
    ------
    LedgerDamaged, LedgerUnavailable
        The ledger cannot be read.
    """
    if not settings.alert_ledger.exists():
        return AlertList()
    with AlertLedger(settings.alert_ledger) as ledger:
        return AlertList(ledger.alerts(since, rule, asset)[::-1], ledger.waiting())
