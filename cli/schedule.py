"""The command that hands over to the scheduler, which is the only one to need Prefect."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

PROJECT = Path(__file__).resolve().parents[1]


def schedule_command(
    file: Annotated[
        Path, typer.Option(help="What runs when.", exists=True, dir_okay=False)
    ] = PROJECT / "prefect.yaml",
    port: Annotated[
        int, typer.Option(help="Loopback port of the page that shows runs; 0: any free one.")
    ] = 0,
    show_login: Annotated[
        bool, typer.Option("--show-login", help="Print the login of that page and end.")
    ] = False,
) -> None:
    """Run the schedule on this machine until stopped: no other service is needed.

    With PREFECT_API_URL set, that Prefect server keeps the schedule; otherwise one runs within, and
    keeps its history in LIQHEAT_HOME/prefect.
    """
    serve = [str(PROJECT / "flows" / "serve.py"), "--file", str(file), "--port", str(port)]
    if show_login:
        serve.append("--show-login")
    # The same process goes on: signals reach the scheduler itself.
    os.execv(sys.executable, [sys.executable, *serve])  # noqa: S606  (no shell is wanted)
