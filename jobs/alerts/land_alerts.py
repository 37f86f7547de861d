"""Landing what the alert ledger holds, for `marts.alerts`.

Does not belong here: loading it (`warehouse.load`), the ledger itself (`jobs.alerts.ledger`).
"""

from dataclasses import fields
from datetime import datetime

from jobs.alerts.ledger import AlertLedger
from jobs.alerts.ledger_records import Alert
from jobs.alerts.ledger_rows import figures_text
from jobs.collect.landing import land, landing_name
from jobs.settings import Settings
from sources.records import Batch, make_batch

_MOST_ROWS = 50_000

SOURCE = "alerts"


def land_alerts(ledger: AlertLedger, settings: Settings, at: datetime) -> int:
    """Land the alerts that changed since they last did and return how many.

    A process killed in between lands them again, which changes no row that is read.

    Parameters
    ----------
    ledger : AlertLedger
        Where they are.
    settings : Settings
        Where to land.
    at : datetime
        The present, UTC.

    Raises
    ------
    StorageFull
        There is no room on the disk: they land the next time.
    """
    count = 0
    while changed := ledger.unlanded(_MOST_ROWS):
        batch = _batch([(alert, revision) for _, revision, alert in changed], at)
        land(batch, settings.landing, landing_name(batch, at, prefix="alerts-"))
        ledger.mark_landed((number, revision) for number, revision, _ in changed)
        count += len(changed)
    return count


def _batch(changed: list[tuple[Alert, int]], at: datetime) -> Batch:
    columns: dict[str, object] = {
        one.name: [getattr(alert, one.name) for alert, _ in changed] for one in fields(Alert)
    }
    columns |= {
        "title": [alert.wording.title for alert, _ in changed],
        "body": [alert.wording.body for alert, _ in changed],
        "figures": [figures_text(alert.figures) for alert, _ in changed],
        "revision": [revision for _, revision in changed],
        "source": SOURCE,
        "ingested_at": at,
    }
    return make_batch("alert", len(changed), columns)
