"""`liqheat diff`: what publications changed in hours that readers had seen."""

from datetime import datetime
from typing import Annotated

import typer

from cli.arguments import INSTANT_FORMATS, Rows, Start, utc
from cli.output import Format, note, print_table
from cli.published import write_all
from jobs.errors import NothingToDo
from jobs.read.published_changes import (
    ChangeFilter,
    change_cells,
    change_notes,
    published_changes,
    without_parameters,
)
from jobs.settings import read_settings


def diff_command(
    asset: Annotated[str | None, typer.Argument(help="Base coin: BTC; by default all.")] = None,
    provider: Annotated[str | None, typer.Option(help="Whose map; by default all.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="An instant, UTC: publications at or after it. Or the id of a publication: those "
            "after it. By default the last publication."
        ),
    ] = None,
    start: Start = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=INSTANT_FORMATS, help="Last hour, UTC.")
    ] = None,
    across_parameters: Annotated[
        bool,
        typer.Option("--across-parameters", help="Show also what other parameters changed."),
    ] = False,
    form: Rows = Format.table,
) -> None:
    """Show which published hours changed after readers had seen them, by how much and why."""
    chosen = ChangeFilter(
        asset=None if asset is None else asset.upper(),
        provider=provider,
        from_at=utc(start),
        until_at=utc(until),
        since=None if since is None else _instant_or_id(since),
    )
    found = published_changes(read_settings(), chosen)
    changes, sentence = (found, None) if across_parameters else without_parameters(found)
    if sentence is not None and not changes.rows:
        raise NothingToDo(sentence)
    if form is not Format.table:
        columns = tuple(changes.rows[0]) if changes.rows else ("asset", "as_of", "provider")
        write_all(columns, changes.rows, form)
    elif changes.rows:
        print_table(
            f"Hours that changed after they were published, {changes.since}",
            change_cells(changes.rows),
            words=("asset", "hours", "map by", "grade", "rows", "why"),
            notes=change_notes(changes),
        )
    if not changes.rows:
        note(f"nothing that readers had seen changed {changes.since}")
    if sentence is not None:
        note(sentence)


def _instant_or_id(text: str) -> datetime | str:
    for form in INSTANT_FORMATS:
        try:
            return utc(datetime.strptime(text, form)) or text  # noqa: DTZ007  (UTC is added)
        except ValueError:
            continue
    return text
