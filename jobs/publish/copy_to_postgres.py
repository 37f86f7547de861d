"""Copying what is published to a PostgreSQL database, for tools that open one.

Does not belong here: how it is copied (``warehouse.postgres``).
"""

import logging

from jobs.errors import NothingToDo
from jobs.progress import Progress, silent
from jobs.read.query import published_file, read_limits
from jobs.runs import run_file
from jobs.settings import Settings
from warehouse.errors import WarehouseError
from warehouse.postgres.outlet import OutletReport, copy_publication
from warehouse.postgres.outlet_tables import OutletBounds, reader_role_statements
from warehouse.postgres.server_address import ServerAddress, read_address

__all__ = ["JOB", "OutletReport", "copy_to_postgres", "copy_where_set", "reader_role"]

logger = logging.getLogger(__name__)

JOB = "publish_postgres"
"""Name of the job in the records of runs."""


def copy_to_postgres(
    settings: Settings, *, url: str | None = None, progress: Progress = silent
) -> OutletReport:
    """Bring a PostgreSQL database to the newest publication; return what was copied.

    Parameters
    ----------
    settings : Settings
        Where things are; ``postgres_url`` is the database unless another is given.
    url : str, optional
        Address of another database.
    progress : callable
        Called with the step, the relation and the share that is done.

    Raises
    ------
    WarehouseError
        The database or what is published cannot be used; the last copy stays.
    NothingToDo
        No database is set.
    """
    with run_file(settings, JOB) as run:
        address = _address(settings, url)
        run.detail = {"database": str(address)}
        report = copy_publication(
            address,
            published_file(settings),
            bounds=OutletBounds(settings.postgres_map_days, settings.postgres_reach_percent / 100),
            limits=read_limits(settings),
            on_relation=lambda name, share: progress("postgres", name, share),
        )
        run.row_count = report.row_count
        run.detail |= {
            "publication_id": report.publication_id,
            "slice_count": report.slice_count,
        }
        return report


def copy_where_set(settings: Settings, *, progress: Progress = silent) -> OutletReport | None:
    """Copy to the database of the settings, if there is one; a failure is logged, not raised.

    What was published stays published, and the next copy makes up for this one.
    """
    if settings.postgres_url is None:
        return None
    try:
        return copy_to_postgres(settings, progress=progress)
    except WarehouseError as exc:
        logger.warning("not copied to PostgreSQL: %s", exc)
        return None


def reader_role(settings: Settings, *, url: str | None = None) -> str:
    """Return SQL for an administrator: a role that reads what is copied, and nothing else."""
    return reader_role_statements(_address(settings, url).user or "postgres")


def _address(settings: Settings, url: str | None) -> ServerAddress:
    if url is not None:
        return read_address(url)
    if settings.postgres_url is None:
        raise NothingToDo(
            "no PostgreSQL database is set; set LIQHEAT_POSTGRES_URL, or give one with --to"
        )
    return read_address(settings.postgres_url.get_secret_value())
