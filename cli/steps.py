"""The commands that run steps of the pipeline: load, build, check, publish, all of them at once."""

import shlex
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import AsOf, AsOfKnown, On, Rows, hour_of, settings_on
from cli.output import Format, note, progress_bar, write_rows
from cli.published import known_hour
from cli.show_bands import MapChoice, show_bands
from jobs.errors import StoppedByQuality
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.check.check_report import CheckReport
    from jobs.publish.copy_to_postgres import OutletReport


_CHECK_COLUMNS = {
    "suite": "check.suite",
    "check": "check.name",
    "severity": "check.severity",
    "success": "success",
    "observed": "observed",
    "threshold": "check.level",
    "unexpected": "unexpected_count",
    "rows": "row_count",
}


def demo_command(
    days: Annotated[int, typer.Option(min=2, max=60, help="Days to simulate.")] = 10,
) -> None:
    """Simulate a market, run the whole pipeline on it offline, show where the bands are."""
    from jobs.demo import DEMO_ASSET, DEMO_PROVIDER, run_demo
    from jobs.read.query import published_file, read_limits
    from plots.source import PublishedMaps
    from plots.views import plot_asset

    with progress_bar() as progress:
        settings = run_demo(read_settings(), days=days, progress=progress)
    show_bands(settings, MapChoice(DEMO_ASSET, DEMO_PROVIDER), Format.table)
    published, limits = published_file(settings), read_limits(settings)
    page = plot_asset(
        PublishedMaps(published, DEMO_ASSET, limits=limits),
        settings.home / f"{DEMO_ASSET}.html",
        provider=DEMO_PROVIDER,
        days=7,
    )
    typer.echo(f"\nmap: {page.resolve()}")
    home = shlex.quote(str(settings.home))
    typer.echo(f"page: LIQHEAT_HOME={home} liqheat serve")
    typer.echo(f"ask it: LIQHEAT_HOME={home} liqheat tables")


def build_command(as_of: AsOf = None, on: On = None) -> None:
    """Load what has landed and bring the maps up to date."""
    from jobs.configuration import check_configuration
    from jobs.pipeline import build_maps, load

    hour = hour_of(as_of)
    settings = settings_on(on)
    check_configuration(settings)
    with progress_bar() as progress:
        loaded = load(settings)
        built = build_maps(settings, as_of=hour, progress=progress)
        note(
            f"loaded {sum(loaded.rows_by_kind.values()):,} rows of {loaded.file_count} files, "
            f"built {built.asset_count} assets from {built.bar_count:,} bars"
        )
        _note_left_out(built.left_out, "build")
        if loaded.rejected:
            raise typer.Exit(1)


def _note_left_out(left_out: dict[str, str], job: str) -> None:
    """Say what the engine lost, and end with 1 where there is any."""
    from jobs.one_cause import by_cause, listed

    for assets, reason in by_cause(left_out.items()):
        note(f"left out until the next {job}: {listed(assets)} ({reason})")
    if left_out:
        raise typer.Exit(1)


def rebuild_command() -> None:
    """Restore a lost or damaged warehouse from raw history; the old one is kept aside."""
    from jobs.pipeline import rebuild

    with progress_bar() as progress:
        report = rebuild(read_settings(), progress=progress)
        note(
            f"loaded {sum(report.rows_by_kind.values()):,} rows of {report.file_count:,} files; "
            "`liqheat run` builds and publishes the maps again"
        )
        if report.rejected:
            raise typer.Exit(1)


def publish_command(
    as_of: AsOf = None,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Copy what is published to this PostgreSQL database, and publish nothing.",
        ),
    ] = None,
    grants: Annotated[
        bool,
        typer.Option("--grants", help="Print SQL for a role that reads that database, and end."),
    ] = False,
) -> None:
    """Write the file that readers open, and the Parquet of days that changed.

    With LIQHEAT_POSTGRES_URL, what is published is then copied to that database.
    """
    from jobs.publish.copy_to_postgres import copy_to_postgres, copy_where_set, reader_role
    from jobs.publish.publish import publish

    settings = read_settings()
    if grants:
        typer.echo(reader_role(settings, url=to), nl=False)
        return
    with progress_bar() as progress:
        if to is not None:
            _note_copied(copy_to_postgres(settings, url=to, progress=progress))
            return
        report = publish(settings, as_of=hour_of(as_of), progress=progress)
        note(
            f"published {report.path} ({report.size_bytes / 1e6:,.1f} MB) "
            f"and {report.day_count} days of Parquet"
        )
        copied = copy_where_set(settings, progress=progress)
        if copied is not None:
            _note_copied(copied)


def _note_copied(report: "OutletReport") -> None:
    note(
        f"copied publication {report.publication_id} to PostgreSQL: {report.row_count:,} rows "
        f"in {report.seconds:.1f} s"
    )


def run_command(as_of: AsOf = None, on: On = None) -> None:
    """Run a whole hour: load what has landed, build, check, publish, send alerts."""
    from jobs.hourly import run_hour

    hour, settings = hour_of(as_of), settings_on(on)
    with progress_bar() as progress:
        report = run_hour(
            settings,
            as_of=hour,
            progress=progress,
            clock=lambda: datetime.now(UTC),
        )
        note(
            f"loaded {sum(report.loaded.rows_by_kind.values()):,} rows, "
            f"built {report.built.asset_count} assets from {report.built.bar_count:,} bars, "
            f"{len(report.checked.results)} checks: {len(report.checked.critical)} critical and "
            f"{len(report.checked.warnings)} warnings, "
            f"published {report.published.path} ({report.published.size_bytes / 1e6:,.1f} MB)"
        )
        for held in report.checked.held:
            note(f"held back: {held}")
        if report.copied is not None:
            _note_copied(report.copied)
        _note_left_out(report.built.left_out, "build")
        if report.loaded.rejected:
            raise typer.Exit(1)


def check_command(
    as_of: AsOf = None,
    hours: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help="Hours to check; by default those since the last."),
    ] = None,
    form: Rows = Format.table,
) -> None:
    """Run every suite over what was built; exit 3 where nothing may be published."""
    from jobs.check.check_report import CheckReport
    from jobs.check.run_suites import check

    try:
        with progress_bar() as progress:
            report = check(read_settings(), as_of=hour_of(as_of), hours=hours, progress=progress)
    except StoppedByQuality as exc:
        if isinstance(exc.report, CheckReport):
            _write_checks(exc.report, form)
        raise
    _write_checks(report, form)


def _write_checks(report: "CheckReport", form: Format) -> None:
    """Write the results of checks; a table shows only those that failed."""
    values = attrgetter(*_CHECK_COLUMNS.values())
    write_rows(
        tuple(_CHECK_COLUMNS),
        [
            values(result)
            for result in report.results
            if form is not Format.table or not result.success
        ],
        form,
    )
    note(
        f"{len(report.results)} checks over {report.hour_count} hours to "
        f"{report.as_of:%Y-%m-%d %H:%M}: {len(report.critical)} critical and "
        f"{len(report.warnings)} warnings; pages in {report.pages / 'index.html'}"
    )
    for held in report.held:
        note(f"held back: {held}")


def vary_command(
    days: Annotated[
        int, typer.Option(min=1, max=3660, help="Midnights measured, back from the last.")
    ] = 31,
    as_of: AsOfKnown = None,
    on: On = None,
) -> None:
    """Measure how sensitive maps are to each assumption, changed one at a time at midnights."""
    from jobs.compare.measure_sensitivity import measure_sensitivity

    settings = settings_on(on)
    hour = known_hour(settings, as_of)
    with progress_bar() as progress:
        report = measure_sensitivity(settings, as_of=hour, days=days, progress=progress)
        note(
            f"measured {report.map_count:,} maps, {report.row_count:,} rows; "
            "`liqheat publish` shows them to readers"
        )
        _note_left_out(report.left_out, "measurement")


def calibrate_command(
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Fit every model again; otherwise each every 30 days."),
    ] = False,
    as_of: AsOfKnown = None,
    on: On = None,
) -> None:
    """Fit models to published liquidations, score them out of sample, measure crowding."""
    from jobs.calibrate.calibrate import calibrate

    settings = settings_on(on)
    hour = known_hour(settings, as_of)
    with progress_bar() as progress:
        report = calibrate(settings, as_of=hour, is_refitting=refit, progress=progress)
        note(
            f"{report.asset_count} assets up to {hour:%Y-%m-%d %H:%M} UTC: {report.fit_count} "
            f"fits, {report.no_fit_count} without figures, {report.score_count:,} scores; "
            "`liqheat publish` shows them to readers"
        )
        _note_left_out(report.left_out, "calibration")
