"""The state of the collector, in a small file that others read: no address is in it.

Belongs here: the file, and whether the collector that wrote it still runs. Does not belong here:
what `liqheat status` says of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, TypeAdapter

from jobs.errors import CollectorStopped
from jobs.report_file import read_report, write_report
from jobs.settings import Settings
from sources.errors import InputRejected
from sources.streaming import Outage

REPORT_FILE = "positions.json"
STALE_AFTER = timedelta(minutes=5)
"""Age from which a report means that the collector has stopped: it is written each half minute."""


@dataclass(frozen=True, slots=True)
class CollectorReport:
    """The state of the collector at an instant.

    Parameters
    ----------
    at, started_at : datetime
        When it was written, and when the collector started, UTC.
    accounts : int
        Accounts known.
    accounts_with_positions : int
        Those with a position.
    positions : int
        Positions held.
    sweeps_per_minute : int
        States received in the last minute.
    weight_last_minute : float
        Weight used by all processes of the home.
    weight_limit : float
        Weight a minute that may be used; below 1,200 after refusals.
    oldest_large_seconds : float
        Age of the oldest state of an account that is large or near its liquidation price [s].
    oldest_seconds : float
        Age of the oldest state of an account with a position [s].
    states_received, trades_received : int
        Since it started.
    new_waiting : int
        Accounts found by trades that wait for their first state.
    records_waiting : int
        Records that have not landed.
    btc_observed_ratio : float or None
        Share of the open interest of BTC in positions held; None where either is not known.
    is_stream_connected : bool
        Whether trades are received.
    outages : tuple of Outage
        The latest interruptions of the stream.
    last_map_at : datetime or None
        Hour of the last map.
    last_map_reason : str or None
        Why the last hour has no map; None where it has one.
    last_error : str or None
        The last error.
    last_error_at : datetime or None
        When it occurred.
    standing_error : str or None
        An error that the last attempt at something met; None where all last attempts succeeded.
    clock_ahead_seconds : float
        How far the machine's clock is ahead of the venue's, by its trades [s]; 0 within 5 s.
    """

    at: datetime
    started_at: datetime
    accounts: int
    accounts_with_positions: int
    positions: int
    sweeps_per_minute: int
    weight_last_minute: float
    weight_limit: float
    oldest_large_seconds: float
    oldest_seconds: float
    states_received: int
    trades_received: int
    new_waiting: int
    records_waiting: int
    btc_observed_ratio: float | None
    is_stream_connected: bool
    outages: tuple[Outage, ...]
    last_map_at: datetime | None
    last_map_reason: str | None
    last_error: str | None
    last_error_at: datetime | None
    standing_error: str | None = None
    clock_ahead_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Timed:
    """What reports of all releases have."""

    at: AwareDatetime


_TIMED = TypeAdapter(_Timed)


def report_path(settings: Settings) -> Path:
    """Return the file of the collector's state."""
    return settings.home / REPORT_FILE


def write_report_file(settings: Settings, report: CollectorReport) -> None:
    """Write the state of the collector, whole or not at all.

    Raises
    ------
    WarehouseError
        It cannot be written; `StorageFull` where there is no room.
    """
    write_report(report_path(settings), report)


def read_report_time(settings: Settings) -> datetime | None:
    """Return when the collector last wrote its state; None where it never ran here.

    Raises
    ------
    CollectorStopped
        The file cannot be read.
    """
    try:
        report = read_report(
            report_path(settings),
            _TIMED,
            "is no report of the collector: delete it and start `liqheat collect-positions`",
        )
    except InputRejected as exc:
        raise CollectorStopped(str(exc)) from exc
    return None if report is None else report.at


def watch_collector(settings: Settings, *, now: datetime) -> datetime | None:
    """Return when the collector last wrote its state; None where it never ran on this home.

    Parameters
    ----------
    settings : Settings
        Where things are.
    now : datetime
        The present, UTC.

    Raises
    ------
    CollectorStopped
        It ran before and does not run, or is stuck.
    """
    at = read_report_time(settings)
    # A report from the future was written before the clock was set back.
    if at is not None and abs(now - at) > STALE_AFTER:
        raise CollectorStopped(
            f"the collector of positions has written nothing since {at:%Y-%m-%d %H:%M} UTC: start "
            "`liqheat collect-positions` again, it goes on where it stopped. Hours without it "
            "cannot be collected later. To collect no more, delete "
            f"{report_path(settings)}"
        )
    return at
