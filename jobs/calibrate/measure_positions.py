"""Measuring what followed accounts teach, up to a midnight.

Belongs here: what is measured, in which order, and storing it. Does not belong here: the log
(``measured_log``), rows (``measured_rows``).
"""

import logging
from datetime import datetime

from duckdb import DuckDBPyConnection

from jobs.calibrate.measured_log import VENUE, read_measured_log, settled_until, span_days
from jobs.calibrate.measured_rows import (
    leverage_rows,
    measured_rates,
    parameter_rows,
    survival_rows,
)
from jobs.calibrate.row_store import Replacement, replace_rows

logger = logging.getLogger(__name__)


def measure_positions(connection: DuckDBPyConnection, as_of: datetime, run_id: str) -> int:
    """Measure positions up to the last midnight at or before an hour; return how many rows.

    Idempotent: the rows of that midnight are replaced. Where no account is followed it reads one
    count and makes no rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    as_of : datetime
        The hour, UTC.
    run_id : str
        Written beside each row.
    """
    log = read_measured_log(connection, as_of)
    if log is None:
        return 0
    if span_days(log) <= 0.0:
        logger.info(
            "no lessons from positions yet: changes are settled until %s; a day more is needed",
            settled_until(log).isoformat(timespec="minutes"),
        )
        return 0
    other_venues = [
        row[0]
        for row in connection.execute(
            "select distinct venue from staging.stg_instrument where venue <> ? order by venue",
            [VENUE],
        ).fetchall()
    ]
    rates = {
        "set": measured_rates(log, log.set_tier),
        "effective": measured_rates(log, log.effective_tier),
    }
    tables = {
        "derived.measured_leverage": leverage_rows(log, rates, run_id),
        "derived.measured_survival": survival_rows(log, run_id),
        "derived.measured_parameter": parameter_rows(log, rates["effective"], other_venues, run_id),
    }
    count = sum(
        replace_rows(connection, Replacement(name, rows, "as_of = ?", [log.midnight]))
        for name, rows in tables.items()
        if rows is not None
    )
    logger.info(
        "positions of %d accounts over %.1f days: %d rows",
        log.changes.n_accounts,
        span_days(log),
        count,
    )
    return count
