"""Errors of the jobs themselves, and the names under which callers meet those of the spokes."""

from typing import TYPE_CHECKING

from quality.errors import QualityError
from sources.errors import SourceError, TransientSourceError
from transforms.errors import TransformsError
from warehouse.errors import TransientWarehouseError, WarehouseBusy, WarehouseError

__all__ = [
    "LIQHEAT_ERRORS",
    "TRANSIENT_ERRORS",
    "AllVenuesFailed",
    "BooksDoNotBalance",
    "JobError",
    "NothingToDo",
    "StoppedByQuality",
    "WarehouseBusy",
]

if TYPE_CHECKING:
    from jobs.check.run_suites import CheckReport


class JobError(Exception):
    """A job could not do what it was asked, for a reason none of the spokes knows."""


class AllVenuesFailed(JobError):
    """No venue answered anything; most often the network is down."""


class BooksDoNotBalance(JobError):
    """Longs, shorts and open interest of a series differ: a defect, nothing of it is stored."""


class SettingsRejected(JobError):
    """A ``LIQHEAT_*`` variable is unknown or cannot be used; the message names it."""


class NothingToDo(JobError):
    """There is no data to work on; the message says what to run first."""


class EstimatorRejected(JobError):
    """A user's estimator file describes none; the message names the file and what is wrong."""


class AllProvidersFailed(JobError):
    """Map providers were asked and none gave an answer that could be read."""


class StoppedByQuality(JobError):
    """Critical checks failed; the last good publication stays.

    Parameters
    ----------
    message : str
        What failed and what to do.
    report : CheckReport, optional
        Everything that was checked.
    """

    def __init__(self, message: str, report: "CheckReport | None" = None) -> None:
        super().__init__(message)
        self.report = report


LIQHEAT_ERRORS = (JobError, QualityError, SourceError, TransformsError, WarehouseError)
"""Everything that is told to a person as one line instead of a traceback."""

TRANSIENT_ERRORS = (TransientSourceError, TransientWarehouseError, AllVenuesFailed)
"""What may work when tried again; nothing else is ever retried."""
