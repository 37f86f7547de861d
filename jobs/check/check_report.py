"""The report of a check: results of all suites and the grade of each asset."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jobs.check.held_back import HeldAsset
from quality.results import CheckResult


@dataclass(frozen=True, slots=True)
class Verdict:
    """The grade of one asset, all venues together.

    Parameters
    ----------
    asset, grade : str
        A, B or C.
    is_low_cap, is_noisy : bool
        As in ``marts.asset_quality_hourly``.
    graded_a_open_interest_ratio : float or None
        Share of its open interest that is on venues graded A.
    reasons : tuple of str
        Names of the gates that fail.
    """

    asset: str
    grade: str
    is_low_cap: bool
    is_noisy: bool
    graded_a_open_interest_ratio: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The results of one run of the suites.

    Parameters
    ----------
    as_of : datetime
        The newest hour checked.
    hour_count : int
        Hours checked.
    results : tuple of CheckResult
        Every check, in order of the suites.
    verdicts : tuple of Verdict
        Every asset at `as_of`, worst first.
    held : tuple of HeldAsset
        Assets that are not published from some hour on.
    pages : Path
        Folder of the Data Docs.
    """

    as_of: datetime
    hour_count: int
    results: tuple[CheckResult, ...]
    verdicts: tuple[Verdict, ...]
    held: tuple[HeldAsset, ...]
    pages: Path

    @property
    def critical(self) -> tuple[CheckResult, ...]:
        """Failed checks that hold back what fails them."""
        return self._failed("critical")

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """Failed checks that became flags."""
        return self._failed("warning")

    def _failed(self, severity: str) -> tuple[CheckResult, ...]:
        return tuple(
            result
            for result in self.results
            if not result.success and result.check.severity == severity
        )


def describe_failure(critical: Sequence[CheckResult], as_of: datetime) -> str:
    """Return the message of critical checks that stop all publication."""
    first = critical[0]
    check = first.check
    text = f"{check.suite}: {check.name} fails for {first.unexpected_count} rows"
    if first.observed is not None and check.level is not None:
        text += f" (observed {first.observed:.6g}, allowed {check.level:g})"
    if first.sample:
        text += f", as {first.sample[0]}"
    more = f"; {len(critical) - 1} more critical checks fail" if len(critical) > 1 else ""
    return (
        f"{text} at {as_of:%Y-%m-%d %H:%M} ({check.description}){more}; "
        "the last publication stays, `liqheat check` shows all failures"
    )
