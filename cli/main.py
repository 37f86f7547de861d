"""The `liqheat` program: logging, standard streams, and the list of its commands.

Each command parses its arguments, calls a job and writes what it returned. Data goes to stdout,
everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped by quality; all
expected errors are turned into them here.
"""

import logging
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from cli import collect, explore, health, import_data, steps
from cli.alerts import ALERT_COMMANDS
from cli.arguments import Program, exit_on_error
from cli.collect_positions import collect_positions_command
from cli.schedule import schedule_command
from cli.serve import serve_command
from cli.show_accuracy import accuracy_command
from cli.show_assumptions import assumptions_command
from cli.show_bands import bands_command
from cli.show_changes import diff_command
from cli.show_disagreement import disagreement_command
from cli.show_providers import providers_command
from cli.show_quality import quality_command
from cli.warehouse_commands import WAREHOUSE_COMMANDS

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": steps.demo_command,
    "import": import_data.import_command,
    "import-brackets": import_data.import_brackets_command,
    "import-provider": import_data.import_provider_command,
    "build": steps.build_command,
    "rebuild": steps.rebuild_command,
    "publish": steps.publish_command,
    "run": steps.run_command,
    "query": explore.query_command,
    "plot": explore.plot_command,
    "tables": explore.tables_command,
    "quality": quality_command,
    "check": steps.check_command,
    "providers": providers_command,
    "bands": bands_command,
    "disagreement": disagreement_command,
    "diff": diff_command,
    "assumptions": assumptions_command,
    "accuracy": accuracy_command,
    "fetch": collect.fetch_command,
    "vary": steps.vary_command,
    "calibrate": steps.calibrate_command,
    "ingest": collect.ingest_command,
    "backfill": collect.backfill_command,
    "record": collect.record_command,
    "collect-positions": collect_positions_command,
    "maintain": collect.maintain_command,
    "status": health.status_command,
    "doctor": health.doctor_command,
    "serve": serve_command,
    "schedule": schedule_command,
}

app = typer.Typer(
    name="liqheat",
    cls=Program,
    help="Liquidation heatmaps that say how they are made, how far they disagree "
    "and which assets are too noisy to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
for _name, _command in COMMANDS.items():
    app.command(_name)(exit_on_error()(_command))


def _add_group(name: str, about: str, commands: dict[str, Callable[..., None]]) -> None:
    """Add commands below a name."""
    group = typer.Typer(help=about, no_args_is_help=True, rich_markup_mode=None)
    for command_name, command in commands.items():
        group.command(command_name)(exit_on_error()(command))
    app.add_typer(group, name=name)


_add_group(
    "alerts",
    "Alerts on conditions you set: rules in alerts.yaml, where they go, what fired.",
    ALERT_COMMANDS,
)
_add_group(
    "warehouse",
    "The writer's database: moving it between a file and a lake.",
    WAREHOUSE_COMMANDS,
)


@app.callback()
def _configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log each step.")] = False,
) -> None:
    _open_closed_streams()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _open_closed_streams() -> None:
    """Point standard streams that were closed (``>&-``) at ``/dev/null``.

    The next file opened would otherwise take the stream's number and receive our output.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The system takes the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
