"""The steps that change the warehouse: load, rebuild, build the maps."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from jobs.build.build_assets import BuildOptions, BuildReport, build_assets
from jobs.build.estimator_choice import configured_estimators
from jobs.build.path_records import PATH_MODELS
from jobs.collect.receive_landing import receive_landing
from jobs.collect.send_landing import send_landing
from jobs.collect.store_symbols import store_symbols
from jobs.configuration import check_configuration
from jobs.errors import NothingToDo
from jobs.progress import Progress, silent
from jobs.runs import record_done, recorded_run, run_file
from jobs.settings import Settings
from jobs.writer import open_within_limits, open_writer, writer_run
from transforms.estimators import EstimatorParameters
from warehouse.connect import replaced_warehouse
from warehouse.feed_ledger import replace_collector_gaps
from warehouse.history import restore
from warehouse.load import LoadReport, load_landing_files

logger = logging.getLogger(__name__)


def load(settings: Settings) -> LoadReport:
    """Load what has landed into raw, except files loaded before; return the counts.

    The writer first receives what collectors have sent; a collector then sends what it has loaded.
    """
    with run_file(settings, "load") as run:
        received = receive_landing(settings, at=run.started_at)
        with open_writer(settings) as connection, recorded_run(connection, run):
            if received is None or received.are_cards_known:
                cards = () if received is None else received.cards
                replace_collector_gaps(connection, {card.collector: card.gaps for card in cards})

            def record(report: LoadReport) -> None:
                run.row_count = sum(report.rows_by_kind.values())
                run.detail = asdict(report)
                record_done(connection, run)

            report = load_landing_files(
                connection,
                settings.landing,
                run_id=run.run_id,
                loaded_at=run.started_at,
                on_loaded=record,
            )
        send_landing(settings, at=run.started_at)
        return report


def rebuild(settings: Settings, *, progress: Progress = silent) -> LoadReport:
    """Restore the warehouse from raw history and landing files; return the counts.

    Raw is then as it was, row for row. All maps have to be built and published again. The old file
    is kept aside. Two ledgers only it held are lost: older runs, and gaps that venues confirmed.

    Raises
    ------
    WarehouseBusy
        A writer has the warehouse open.
    WarehouseError
        A file of raw history cannot be read; the message names it and the old warehouse stays.
    NothingToDo
        There is nothing to restore from; the old warehouse stays.
    """
    with (
        run_file(settings, "rebuild") as run,
        replaced_warehouse(settings.warehouse_address) as making,
        open_within_limits(settings, making) as connection,
        recorded_run(connection, run),
    ):
        report = restore(
            connection,
            settings.landing,
            settings.raw,
            run_id=run.run_id,
            loaded_at=run.started_at,
            on_month=lambda item, share: progress("rebuild", item, share),
        )
        if not report.file_count and not report.rejected:
            step = (
                "put the backup of raw history there; the warehouse stays as it is"
                if settings.send_to is None
                else f"a collector has sent what it had. Delete {settings.warehouse}: the next "
                "round requests again what venues still serve"
            )
            raise NothingToDo(
                f"neither {settings.raw} nor {settings.landing} holds a file to rebuild from: "
                f"{step}"
            )
        run.row_count = sum(report.rows_by_kind.values())
        run.detail = asdict(report)
        return report


def build_maps(
    settings: Settings,
    *,
    as_of: datetime,
    estimators: Sequence[EstimatorParameters] | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Bring the maps that are out of date up to an hour; return the counts.

    Parameters
    ----------
    settings : Settings
        Where things are.
    as_of : datetime
        The last hour to build, UTC.
    estimators : sequence of EstimatorParameters, optional
        Whose maps to make; by default the shipped ones and the user's, and the models of the
        reference path.
    progress : callable
        Called with the step, the item and the share that is done.
    """
    with writer_run(settings, "build", as_of) as (connection, run):
        check_configuration(settings)
        chosen = configured_estimators(settings) if estimators is None else estimators
        store_symbols(settings, connection)
        report = build_assets(
            connection,
            as_of=as_of,
            estimators=chosen,
            path_models=PATH_MODELS if estimators is None else (),
            run_id=run.run_id,
            options=BuildOptions(settings.engine, settings.detail_hours),
            on_progress=lambda item, share: progress("build", item, share),
        )
        run.row_count = report.row_count
        run.detail = asdict(report)
        return report
