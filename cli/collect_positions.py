"""The command that collects positions of accounts until it is stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.arguments import Seconds, now
from cli.output import log_errors_only, note, printable
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.positions.collector_report import CollectorReport

_TERMINAL_SECONDS, _LINE_SECONDS = 2.0, 300.0


def collect_positions_command(seconds: Seconds = None) -> None:
    """Collect the positions of all accounts of Hyperliquid, until stopped.

    Accounts are found by the trades they make. Their states are requested within the venue's rate
    limit; each hour a map of all positions lands. Start it again to go on where it stopped.
    """
    from jobs.positions.collector import collect_positions
    from jobs.positions.collector_policy import CollectorPolicy

    with _progress() as (spacing, on_progress):
        report = collect_positions(
            read_settings(),
            clock=now,
            seconds=seconds,
            policy=CollectorPolicy(progress_seconds=spacing),
            on_progress=on_progress,
        )
    note(line_of(report))
    if not report.states_received and not report.trades_received:
        why = f": {report.last_error}" if report.last_error else ""
        note(f"nothing was received{why}")
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[tuple[float, Callable[["CollectorReport"], None]]]:
    """Yield how often to report and how: figures that stay in place, or a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LINE_SECONDS, lambda report: note(line_of(report))
        return
    # What goes wrong is among the figures.
    for module in ("jobs.positions", "sources.accounts"):
        log_errors_only(module)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield (
            _TERMINAL_SECONDS,
            lambda report: live.update(_table_of(figures_of(report)), refresh=True),
        )


def _table_of(figures: dict[str, str]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in figures.items():
        table.add_row(name, printable(value))
    return table


def figures_of(report: "CollectorReport") -> dict[str, str]:
    """Return the state of the collector as it is shown, by name."""
    connected = "connected" if report.is_stream_connected else "not connected"
    count = len(report.outages)
    outages = f", {count} interruption{'s' if count > 1 else ''}" if count else ""
    ratio = report.btc_observed_ratio
    figures = {
        "accounts": f"{report.accounts:,} known, {report.accounts_with_positions:,} with "
        f"{report.positions:,} positions, {report.new_waiting:,} waiting for their first state",
        "requests": f"{report.sweeps_per_minute:,} states in the last minute, weight "
        f"{report.weight_last_minute:,.0f} of {report.weight_limit:,.0f}",
        "oldest state": f"{_age(report.oldest_large_seconds)} of large accounts and those near "
        f"liquidation, {_age(report.oldest_seconds)} of all with positions"
        if report.positions
        else "no positions yet",
        "open interest of BTC": "not known" if ratio is None else f"{ratio:.0%} observed",
        "trades": f"{connected}{outages}",
        "last map": "none yet"
        if report.last_map_at is None
        else f"{report.last_map_at:%Y-%m-%d %H:%M} UTC",
        "waiting to land": f"{report.records_waiting:,} records",
    }
    if report.last_map_reason:
        figures["no map"] = report.last_map_reason
    if report.last_error and report.last_error_at:
        figures["last error"] = f"{report.last_error_at:%H:%M} {report.last_error}"
    return figures


def line_of(report: "CollectorReport") -> str:
    """Return the state of the collector in one line."""
    return "; ".join(f"{name}: {value}" for name, value in figures_of(report).items())


def _age(seconds: float) -> str:
    """Return an age for the eye.

    Examples
    --------
    >>> _age(45), _age(1800), _age(45_000)
    ('45 s', '30 min', '12.5 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
