"""The collector of positions as `liqheat status` shows it: its state, and what is wrong with it.

Belongs here: judging the report that the collector writes each half minute. Does not belong here:
writing it (`jobs.positions.collector_report`), which states a map rests on
(`transforms.positions.measured_map`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from jobs.positions.collector_report import STALE_AFTER, CollectorReport, report_path
from jobs.read.problems import ago
from jobs.report_file import read_report
from jobs.settings import Settings
from sources.accounts.weight_budget import HYPERLIQUID_WEIGHT
from sources.errors import InputRejected

# Accounts are found by trades, which come every second.
_FIRST_ACCOUNTS_ARE_LATE = timedelta(minutes=10)
# States of what is large or near its liquidation price are due every half hour, others every 20 h.
_LARGE_IS_STALE = timedelta(hours=1)
_ANY_IS_STALE = timedelta(hours=26)
# A map of an hour then shows states of another minute.
_CLOCKS_DIFFER = timedelta(minutes=1)
# A map lands seconds after its hour.
_MAP_IS_LATE = timedelta(hours=1, minutes=15)

_REPORT = TypeAdapter(CollectorReport)


def read_collector(
    settings: Settings, now: datetime
) -> tuple[CollectorReport | None, tuple[str, ...]]:
    """Return the collector's last report and what is wrong at ``now``; nothing if it never ran."""
    try:
        report = read_report(
            report_path(settings),
            _REPORT,
            "is no report of the collector of positions: delete it, `liqheat collect-positions` "
            "writes it again",
        )
    except InputRejected as exc:
        return None, (str(exc),)
    return report, () if report is None else tuple(collector_problems(report, now))


def collector_problems(report: CollectorReport, now: datetime) -> Iterator[str]:
    """Yield what is wrong with the collection of positions.

    Parameters
    ----------
    report : CollectorReport
        Its last report.
    now : datetime
        The present, UTC.
    """
    if abs(now - report.at) > STALE_AFTER:
        yield (
            f"the collector of positions last reported {_when(now, report.at)}: positions since "
            "then cannot be had later; run `liqheat collect-positions`"
        )
        return
    if not report.is_stream_connected:
        why = f": {report.outages[-1].reason}" if report.outages else ""
        yield f"positions: the stream of trades is not connected, no account is found by it{why}"
    yield from _of_states(report, now)
    yield from _of_maps(report, now)
    ahead = _span(report.clock_ahead_seconds)
    if abs(ahead) > _CLOCKS_DIFFER:
        where = "ahead of" if ahead > timedelta(0) else "behind"
        yield (
            f"positions: this machine's clock is {ago(now, now - abs(ahead))} {where} the venue's, "
            "by its trades: maps carry the hours of this machine; set its clock"
        )
    if report.weight_limit < HYPERLIQUID_WEIGHT:
        yield (
            f"positions: the venue refused requests, so that {report.weight_limit:.0f} of "
            f"{HYPERLIQUID_WEIGHT:.0f} weight a minute is used: states are renewed less often"
        )
    if report.standing_error is not None:
        yield f"positions: {report.standing_error}"


def _of_states(report: CollectorReport, now: datetime) -> Iterator[str]:
    running = now - report.started_at
    if report.accounts == 0:
        if running > _FIRST_ACCOUNTS_ARE_LATE:
            yield (
                f"positions: no account after {ago(now, report.started_at)}: neither trades nor "
                "public lists came; look at the log of `liqheat collect-positions`"
            )
        return
    for oldest, limit, whose in (
        (report.oldest_large_seconds, _LARGE_IS_STALE, "a position large or near liquidation"),
        (report.oldest_seconds, _ANY_IS_STALE, "a position"),
    ):
        if timedelta(seconds=oldest) > limit:
            why = (
                "the collector has just started and is catching up"
                if running < limit
                else "more accounts are followed than the rate limit allows for"
            )
            yield (
                f"positions: the oldest state of {whose} is {ago(now, now - _span(oldest))} old, "
                f"due after at most {ago(now, now - limit)}: maps rest on stale states; {why}"
            )


def _of_maps(report: CollectorReport, now: datetime) -> Iterator[str]:
    if report.last_map_reason is not None:
        yield f"positions: the last hour has no map: {report.last_map_reason}"
        return
    since = report.last_map_at or report.started_at
    if now - since > _MAP_IS_LATE:
        last = "" if report.last_map_at is None else f" since {report.last_map_at:%Y-%m-%d %H:%M}"
        yield f"positions: no hourly map{last}; look at the log of `liqheat collect-positions`"


def _when(now: datetime, at: datetime) -> str:
    if at > now:
        return f"at {at:%Y-%m-%d %H:%M}, before the clock of this machine was set back"
    return f"{ago(now, at)} ago"


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def collector_line(report: CollectorReport, now: datetime) -> str:
    """Return the state of the collection in one line."""
    share = report.btc_observed_ratio
    parts = (
        f"{report.accounts:,} accounts, {report.positions:,} positions",
        "" if share is None else f"{100 * share:.0f} % of BTC open interest",
        f"oldest state {ago(now, now - _span(report.oldest_seconds))}, "
        f"of large or near ones {ago(now, now - _span(report.oldest_large_seconds))}"
        if report.positions
        else "",
        f"{report.sweeps_per_minute:,} states a minute",
        "no map yet" if report.last_map_at is None else f"map {report.last_map_at:%Y-%m-%d %H:%M}",
    )
    return f"positions: {', '.join(part for part in parts if part)}"
