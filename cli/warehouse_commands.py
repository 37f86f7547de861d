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
            help="A path, ducklake:postgres://user@host/database (password in PGPASSWORD), or "
            "ducklake:FILE.",
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
        step = (
            "set LIQHEAT_WAREHOUSE and LIQHEAT_DATA to use the lake"
            if to.startswith("ducklake:")
            else "unset LIQHEAT_WAREHOUSE to use the home's warehouse.duckdb, or set it to the "
            "path of another file"
        )
        note(
            f"moved {sum(report.rows_by_table.values()):,} rows of {len(report.rows_by_table)} "
            f"tables, the same in both places; {step}"
        )


WAREHOUSE_COMMANDS: dict[str, Callable[..., None]] = {"move": move_command}
