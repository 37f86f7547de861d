"""A report of the collector of positions, as it writes one each minute."""

from datetime import datetime, timedelta
from typing import Any

from jobs.positions.collector_report import CollectorReport


def collector_report(at: datetime, **differing: Any) -> CollectorReport:
    """Return the report of a collector that is well, with the fields given instead."""
    fields: dict[str, Any] = {
        "at": at,
        "started_at": at - timedelta(hours=50),
        "accounts": 50_012,
        "accounts_with_positions": 31_400,
        "positions": 150_233,
        "sweeps_per_minute": 587,
        "weight_last_minute": 1176.0,
        "weight_limit": 1200.0,
        "oldest_large_seconds": 1700.0,
        "oldest_seconds": 70_000.0,
        "states_received": 1_000_000,
        "trades_received": 20_000_000,
        "new_waiting": 3,
        "records_waiting": 12,
        "btc_observed_ratio": 0.92,
        "is_stream_connected": True,
        "outages": (),
        "last_map_at": at.replace(minute=0, second=0),
        "last_map_reason": None,
        "last_error": None,
        "last_error_at": None,
    }
    return CollectorReport(**{**fields, **differing})
