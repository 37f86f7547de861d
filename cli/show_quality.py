"""`liqheat quality`: the grade of each asset and the reasons for it."""

from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import AsOfPublished, Rows, published_hour
from cli.output import Format, write_rows
from jobs.read.figures import percent, usd
from jobs.settings import read_settings

if TYPE_CHECKING:
    from jobs.read.verdicts import VenueVerdict

_COLUMNS = (
    "asset",
    "venue",
    "as_of",
    "grade",
    "is_low_cap",
    "is_noisy",
    "open_interest_usd",
    "graded_a_open_interest_ratio",
)


def quality_command(
    asset: Annotated[
        str | None,
        typer.Argument(help="One asset, with its reasons in full; by default all, worst first."),
    ] = None,
    as_of: AsOfPublished = None,
    form: Rows = Format.table,
) -> None:
    """Show the quality grade of each asset, and the reasons for it."""
    from jobs.read.verdicts import read_verdicts

    verdicts = read_verdicts(read_settings(), asset=asset, as_of=published_hour(as_of))
    if asset is not None and form is Format.table:
        _print_verdict(verdicts)
        return
    values = attrgetter(*_COLUMNS)
    reasons = attrgetter("doubts" if form is Format.table else "reasons")
    write_rows(
        (*_COLUMNS, "reasons"),
        [
            (*values(verdict), ", ".join(reason.name for reason in reasons(verdict)))
            for verdict in verdicts
        ],
        form,
    )


def _print_verdict(verdicts: "Sequence[VenueVerdict]") -> None:
    """Print the verdict on one asset in sentences: the whole first, then each venue."""
    from jobs.read.verdicts import open_interest_in_words, summary

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
        typer.echo(f"\n{verdict.venue}: {summary(verdict)}; {open_interest_in_words(verdict)}")
        for reason in verdict.doubts:
            kind = "disqualifies" if reason.severity == "hard" else "doubt"
            typer.echo(f"  {kind}: {reason.in_words()}")
        for reason in verdict.remarks:
            typer.echo(f"  to know: {reason.in_words()}")
