"""What checks found, in plain records."""

from dataclasses import dataclass
from datetime import datetime

from quality.suites import Check, Severity

# Scopes told of one check; beyond it rows count with the last one of their asset.
SCOPES_TOLD = 5_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One venue of an asset that a check speaks against.

    Parameters
    ----------
    asset, venue : str
        The scope.
    as_of : datetime
        Its hour.
    observed : float or None
        Worst value there; None where the check has no figure.
    row_count : int
        Rows of the scope that speak against it.
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
    """What one check found.

    Parameters
    ----------
    check : Check
        The check.
    success : bool
        Whether all rows hold.
    observed : float or None
        The worst value of all rows; None where the check has no figure or there are no rows.
    row_count, unexpected_count : int
        Rows looked at, and those that speak against it.
    sample : tuple of str
        Some of them, as text.
    findings : tuple of Finding
        What it speaks against, by asset, venue and hour, about ``SCOPES_TOLD`` at most.
    """

    check: Check
    success: bool
    observed: float | None
    row_count: int
    unexpected_count: int
    sample: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """How bad failing is."""
        return self.check.severity
