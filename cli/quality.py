"""The commands that check and that say which assets can be trusted."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import AsOf, AsOfPublished, Rows, hour_of, told
from cli.compare import percent, usd
from cli.output import Format, progress_bar, write_rows
from jobs.errors import StoppedByQuality
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.check.run_suites import CheckReport
    from jobs.read.verdicts import VenueVerdict


def quality_command(
    asset: Annotated[
        str | None, typer.Argument(help="One asset, to be told why; by default all, worst first.")
    ] = None,
    as_of: AsOfPublished = None,
    form: Rows = Format.table,
) -> None:
    """Say which assets can be trusted, and why not."""
    from jobs.read.verdicts import read_verdicts

    with told():
        verdicts = read_verdicts(
            read_settings(), asset=asset, as_of=None if as_of is None else hour_of(as_of)
        )
        if asset is not None and form is Format.table:
            _say(verdicts)
            return
        write_rows(
            (
                "asset",
                "venue",
                "as_of",
                "grade",
                "is_low_cap",
                "is_noisy",
                "open_interest_usd",
                "graded_a_open_interest_ratio",
                "reasons",
            ),
            [
                (
                    verdict.asset,
                    verdict.venue,
                    verdict.as_of,
                    verdict.grade,
                    verdict.is_low_cap,
                    verdict.is_noisy,
                    verdict.open_interest_usd,
                    verdict.graded_a_open_interest_ratio,
                    ", ".join(
                        reason.name
                        for reason in (verdict.doubts if form is Format.table else verdict.reasons)
                    ),
                )
                for verdict in verdicts
            ],
            form,
        )


def _say(verdicts: "tuple[VenueVerdict, ...]") -> None:
    """Write the verdict on one asset in words."""
    from jobs.read.verdicts import summary

    whole, *venues = verdicts
    typer.echo(f"{whole.asset} at {whole.as_of:%Y-%m-%d %H:%M} UTC: {summary(whole)}.")
    count = sum(verdict.open_interest_share_ratio is not None for verdict in venues)
    if whole.open_interest_usd is not None:
        typer.echo(
            f"{usd(whole.open_interest_usd)} USD of open interest on {count} "
            f"venue{'s' if count != 1 else ''}, "
            f"{percent(whole.graded_a_open_interest_ratio)} of it on venues graded A."
        )
    for verdict in venues:
        share = verdict.open_interest_share_ratio
        typer.echo(
            f"\n{verdict.venue}: {summary(verdict)}; "
            + (
                "open interest is not known"
                if verdict.open_interest_usd is None
                else f"{usd(verdict.open_interest_usd)} USD of open interest, "
                + (
                    "left out of the asset's"
                    if share is None
                    else f"{percent(share)} of the asset's"
                )
            )
        )
        for reason in verdict.doubts:
            kind = "disqualifies" if reason.severity == "hard" else "doubt"
            typer.echo(f"  {kind}: {reason.in_words()}")
        for reason in verdict.remarks:
            typer.echo(f"  to know: {reason.in_words()}")


def check_command(
    as_of: AsOf = None,
    hours: Annotated[
        int | None,
        typer.Option(
            min=1, max=100_000, help="Hours to look at; by default those since the last check."
        ),
    ] = None,
    form: Rows = Format.table,
) -> None:
    """Run every suite over what was built; exit 3 where nothing may be published."""
    from jobs.check.run_suites import check

    with told():
        try:
            with progress_bar() as progress:
                report = check(
                    read_settings(), as_of=hour_of(as_of), hours=hours, progress=progress
                )
        except StoppedByQuality as exc:
            if exc.report is not None:
                _tell_checks(exc.report, form)
            raise
        _tell_checks(report, form)


def _tell_checks(report: "CheckReport", form: Format) -> None:
    """Write what the checks found; as a table only those that failed."""
    write_rows(
        ("suite", "check", "severity", "success", "observed", "threshold", "unexpected", "rows"),
        [
            (
                outcome.suite,
                outcome.name,
                outcome.severity,
                outcome.success,
                outcome.observed,
                outcome.threshold,
                outcome.unexpected_count,
                outcome.row_count,
            )
            for outcome in report.outcomes
            if form is not Format.table or not outcome.success
        ],
        form,
    )
    typer.echo(
        f"{len(report.outcomes)} checks over {report.hour_count} hours to "
        f"{report.as_of:%Y-%m-%d %H:%M}: {len(report.critical)} critical and "
        f"{len(report.warnings)} warnings; pages in {report.pages / 'index.html'}",
        err=True,
    )
    for held in report.held:
        typer.echo(f"held back: {held}", err=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("quality")(quality_command)
    app.command("check")(check_command)
