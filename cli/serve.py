"""`liqheat serve`: the page and the API of what is published."""

import os
import sys
from typing import Annotated

import typer

from cli.output import note
from jobs.settings import read_settings


def serve_command(
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Any but this machine's own needs LIQHEAT_SERVE_TOKEN."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")
    ] = 8400,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.")
    ] = False,
) -> None:
    """Serve the page and the API of what is published until stopped.

    Runs beside the schedule and shows each publication as it comes. On this machine only, unless
    --host says otherwise; then every request needs LIQHEAT_SERVE_TOKEN.
    """
    from web.security import check_exposure
    from web.server import listen, run_server

    settings = read_settings()
    check_exposure(settings, host)
    listening = listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/"

    def announce() -> None:
        typer.echo(address)
        sys.stdout.flush()
        note(f"serving {settings.published}; Ctrl-C ends")
        if open_page:
            typer.launch(address)

    try:
        run_server(settings, listening, on_start=announce)
    except KeyboardInterrupt:
        # A statement may still be computing; ending the interpreter under it would abort.
        sys.stdout.flush()
        os._exit(0)
