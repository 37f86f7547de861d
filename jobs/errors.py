"""Errors of the jobs themselves, and those of the spokes as callers meet them."""

from collections.abc import Collection, Mapping
from typing import Self

from quality.errors import QualityError
from sources.errors import SourceError, TransientSourceError
from transforms.errors import TransformsError
from warehouse.errors import TransientWarehouseError, WarehouseBusy, WarehouseError

__all__ = [
    "LIQHEAT_ERRORS",
    "TRANSIENT_ERRORS",
    "AllVenuesFailed",
    "BooksDoNotBalance",
    "ConditionFailed",
    "EngineUnavailable",
    "JobError",
    "MessageTooLong",
    "NothingToDo",
    "ShardsLost",
    "SharedLandingFailed",
    "StoppedByQuality",
    "TargetRejected",
    "TargetUnavailable",
    "WarehouseBusy",
    "WorkersDiffer",
]


class JobError(Exception):
    """A job failed for a reason that is not an error of a spoke."""


class AllVenuesFailed(JobError):
    """No venue responded; most often the network is down."""


class BooksDoNotBalance(JobError):
    """Longs, shorts and open interest of a series differ: a defect; nothing is stored."""


class SettingsRejected(JobError):
    """A ``LIQHEAT_*`` variable is unknown or cannot be used; the message names it."""


class CannotListen(JobError):
    """The server cannot listen on an address; the message says why and what to do."""


class NothingToDo(JobError):
    """There is no data to work on; the message says what to run first."""


class EngineUnavailable(JobError):
    """The cluster cannot be reached or is gone; the message says what to do."""


class WorkersDiffer(JobError):
    """A process of the cluster computes with other versions; the message names it and them."""


class ComparisonLost(JobError):
    """The maps of some assets could not be compared; the message says which and why.

    Parameters
    ----------
    message : str
        Which hours of which assets, why.
    assets : collection of str
        The assets.
    """

    def __init__(self, message: str, assets: Collection[str]) -> None:
        super().__init__(message)
        self.assets = tuple(assets)


class ShardsLost(JobError):
    """No shard gave a result; the message names one and says why."""

    @classmethod
    def of_all(cls, failure: str, left_out: Mapping[str, str], job: str) -> Self:
        """Return the error of a job that left out every asset.

        Parameters
        ----------
        failure : str
            What it could not do.
        left_out : mapping of str to str
            Why assets were left out, by asset; the first reason is named.
        job : str
            What does them the next time.
        """
        return cls(f"{failure}; {next(iter(left_out.values()))}; the next {job} tries again")


class EstimatorRejected(JobError):
    """A file does not describe an estimator; the message names the file and the mistake."""


class SharedLandingFailed(JobError):
    """The bucket or folder between collectors and a writer cannot be used; nothing is lost."""


class AllProvidersFailed(JobError):
    """No map provider gave a response that could be read."""


class BookDamaged(JobError):
    """The account book, or the key beside it, cannot be used; the message says what to do."""


class BookUnavailable(JobError):
    """The account book cannot be written at present; nothing committed is lost."""


class CollectorRunning(JobError):
    """Another collector of positions works on the same home."""


class CollectorStopped(JobError):
    """The collector of positions ran before and does not run, or is stuck."""


class LedgerDamaged(JobError):
    """The alert ledger cannot be used; the message says what to do."""


class LedgerUnavailable(JobError):
    """The alert ledger cannot be written at present; nothing committed is lost."""


class ConditionFailed(JobError):
    """A condition of alert rules cannot be evaluated on what is published.

    Parameters
    ----------
    message : str
        Which condition, why, what to do.
    rules : collection of str
        Names of the rules that need it.
    """

    def __init__(self, message: str, rules: Collection[str]) -> None:
        super().__init__(message)
        self.rules = tuple(rules)


class TargetRejected(JobError):
    """A target of alerts cannot be used as it is declared; the message says what to correct."""


class TargetUnavailable(TransientSourceError):
    """A target of alerts did not take a message; the retry policy of sources repeats it.

    Parameters
    ----------
    message : str
        What happened and what to do, without the address.
    retry_after_seconds : float, optional
        The wait that the target requires.
    is_refused : bool
        It refused this very message: another one may pass.
    """

    def __init__(
        self,
        message: str,
        retry_after_seconds: float | None = None,
        *,
        is_refused: bool = False,
    ) -> None:
        super().__init__(message, retry_after_seconds)
        self.is_refused = is_refused


class MessageTooLong(JobError):
    """A message is longer than its target takes; a shorter one may pass."""


class StoppedByQuality(JobError):
    """Critical checks failed; the last good publication stays.

    Parameters
    ----------
    message : str
        What failed and what to do.
    report : jobs.check.check_report.CheckReport, optional
        The results of all checks, where they have just been run. Its type is not imported: checks
        raise this error.
    """

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


LIQHEAT_ERRORS = (JobError, QualityError, SourceError, TransformsError, WarehouseError)
"""Errors that people see as one line instead of a traceback."""

TRANSIENT_ERRORS = (
    TransientSourceError,
    TransientWarehouseError,
    AllVenuesFailed,
    EngineUnavailable,
)
"""Errors that may pass; nothing else is ever retried."""
