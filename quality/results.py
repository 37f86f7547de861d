"""Results of checks, in plain records."""

from dataclasses import dataclass
from datetime import datetime

from quality.suites import Check

# Findings of one check; beyond it rows count with the last finding of their asset.
MOST_FINDINGS = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    """An asset on a venue at an hour that fails a check.

    Parameters
    ----------
    asset, venue : str
        The scope.
    as_of : datetime
        Its hour.
    observed : float or None
        Worst value there; None where the check has no figure.
    row_count : int
        Rows of the scope that fail.
    sample : str
        One of them, as text.
    """

    asset: str
    venue: str
    as_of: datetime
    observed: float | None
    row_count: int
    sample: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Parameters
    ----------
    check : Check
        The check.
    success : bool
        Whether all rows pass.
    observed : float or None
        The worst value of all rows; None where the check has no figure or there are no rows.
    row_count, unexpected_count : int
        Rows checked, and those that fail.
    sample : tuple of str
        Some of them, as text.
    findings : tuple of Finding
        What fails, by asset, venue and hour; about ``MOST_FINDINGS`` at most.
    """

    check: Check
    success: bool
    observed: float | None
    row_count: int
    unexpected_count: int
    sample: tuple[str, ...]
    findings: tuple[Finding, ...]
