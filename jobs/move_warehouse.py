"""Moving the writer's database to another address; home folder and settings stay.

Does not belong here: how rows are copied (``warehouse.move``).
"""

from jobs.progress import Progress, silent
from jobs.runs import run_file
from jobs.settings import Settings
from warehouse.move import MoveReport, move_warehouse


def move_to(
    settings: Settings, to: str, *, data: str | None = None, progress: Progress = silent
) -> MoveReport:
    """Copy the warehouse to an address, verified row for row; return the counts.

    The old one stays where it is and in use, until ``LIQHEAT_WAREHOUSE`` is the new one.

    Parameters
    ----------
    settings : Settings
        Where things are.
    to : str
        As ``LIQHEAT_WAREHOUSE``: a path or the address of a lake.
    data : str, optional
        As ``LIQHEAT_DATA``, which it is by default.
    progress : callable
        Called with the step, the table and the share that is done.

    Raises
    ------
    WarehouseError
        An address cannot be used, the new one is in use, or a table differs afterwards.
    """
    target = settings.read_address(to, data or settings.data)
    megabytes = settings.memory_limit_mb
    with run_file(settings, "move") as run:
        report = move_warehouse(
            settings.warehouse_address,
            target,
            threads=settings.threads,
            memory_limit_bytes=None if megabytes is None else megabytes * 1_000_000,
            on_table=lambda name, share: progress("move", name, share),
        )
        run.row_count = sum(report.rows_by_table.values())
        run.detail = {"to": str(target), "rows": report.rows_by_table}
        return report
