"""The commands of `liqheat warehouse`: what concerns the writer's database itself."""

from collections.abc import Callable
from typing import Annotated

import typer

from cli.output import note, progress_bar
from jobs.settings import read_settings


def move_command(
    to: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="A path, or ducklake:postgres://user@host/database (password in PGPASSWORD).",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="Folder or s3://bucket/prefix of a lake's data; by default LIQHEAT_DATA.",
        ),
    ] = None,
) -> None:
    """Copy the warehouse to another address, verified row for row; the old one stays."""
    from jobs.move_warehouse import move_to

    with progress_bar() as progress:
        report = move_to(read_settings(), to, data=data, progress=progress)
        note(
            f"moved {sum(report.rows_by_table.values()):,} rows of {len(report.rows_by_table)} "
            "tables, the same in both places; set LIQHEAT_WAREHOUSE, and LIQHEAT_DATA for a lake, "
            "to use the new one"
        )


WAREHOUSE_COMMANDS: dict[str, Callable[..., None]] = {"move": move_command}
