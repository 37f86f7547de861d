"""Running checks with Great Expectations, the only place that imports it.

It takes seconds to import and its results are its own: both stay behind ``validate``, which takes
data frames and returns plain records. Nothing is sent anywhere, and nothing is written but the
pages asked for.
"""

import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from quality.errors import FrameRejected
from quality.suites import FRAMES, SUITES, Check, Severity

logger = logging.getLogger(__name__)

# Scopes told of one check; beyond it the count says how many there are.
SCOPES_TOLD = 5_000
SAMPLE_SIZE = 5
_SCOPE = ("asset", "venue", "as_of")


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
    """

    asset: str
    venue: str
    as_of: Any
    observed: float | None


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
        What it speaks against, by asset, venue and hour, at most ``SCOPES_TOLD``.
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


def validate(
    checks: Iterable[Check], frames: Mapping[str, pd.DataFrame], *, pages: Path | None = None
) -> tuple[CheckResult, ...]:
    """Return what checks find in frames, in the order of the checks.

    Parameters
    ----------
    checks : iterable of Check
        Checks whose frames are there.
    frames : mapping of str to DataFrame
        Frames by name, with at least the columns of ``FRAMES``; a frame without rows passes.
    pages : Path, optional
        Folder for Data Docs, replaced as a whole; by default none are written.

    Raises
    ------
    FrameRejected
        A frame or column that a check looks at is missing.
    """
    wanted = tuple(checks)
    by_batch: dict[tuple[str, str], list[Check]] = {}
    for check in wanted:
        by_batch.setdefault((check.suite, check.frame), []).append(check)
    context = _context(pages)
    results: dict[tuple[str, str], CheckResult] = {}
    for (suite, name), group in sorted(
        by_batch.items(), key=lambda item: (SUITES.index(item[0][0]), item[0][1])
    ):
        frame = _prepared(name, frames.get(name), group)
        validated = _run(context, f"{suite}_{name}", frame, group)
        for check in group:
            results[check.suite, check.name] = _result(check, frame, validated[check.name])
    if pages is not None:
        context.build_data_docs()
    return tuple(results[check.suite, check.name] for check in wanted)


def _context(pages: Path | None) -> Any:  # noqa: ANN401  (its own type is private)
    """Return a context that lives in memory and tells nobody."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    gx: Any = import_module("great_expectations")
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    if pages is not None:
        shutil.rmtree(pages, ignore_errors=True)
        pages.mkdir(parents=True)
        context.add_data_docs_site(
            site_name="liqheat",
            site_config={
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {
                    "class_name": "TupleFilesystemStoreBackend",
                    "base_directory": str(pages.resolve()),
                },
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            },
        )
    return context


def _prepared(name: str, frame: pd.DataFrame | None, checks: Sequence[Check]) -> pd.DataFrame:
    """Return the frame with the columns the checks look at, figures as float."""
    if frame is None:
        raise FrameRejected(f"no frame {name}; {checks[0].suite} checks {checks[0].name} on it")
    wanted = {*FRAMES[name], *(column for check in checks for column in check.columns)}
    missing = sorted(wanted - set(frame.columns))
    if missing:
        raise FrameRejected(f"frame {name} lacks {', '.join(missing)}")
    figures = {
        column
        for check in checks
        if check.rule in ("at_least", "at_most", "ordered")
        for column in check.columns
    }
    return frame.astype(dict.fromkeys(figures, "float64"))


def _expectation(check: Check) -> Any:  # noqa: ANN401  (of several classes)
    expectations: Any = import_module("great_expectations.expectations")

    told: dict[str, Any] = {
        "severity": check.severity,
        "meta": {"check": check.name},
        "notes": check.description,
    }
    first = check.columns[0]
    match check.rule:
        case "at_least":
            return expectations.ExpectColumnValuesToBeBetween(
                column=first, min_value=check.level, **told
            )
        case "at_most":
            return expectations.ExpectColumnValuesToBeBetween(
                column=first, max_value=check.level, **told
            )
        case "not_null":
            return expectations.ExpectColumnValuesToNotBeNull(column=first, **told)
        case "unique":
            return expectations.ExpectCompoundColumnsToBeUnique(
                column_list=list(check.columns), **told
            )
        case "equal":
            return expectations.ExpectColumnPairValuesToBeEqual(
                column_A=first, column_B=check.columns[1], **told
            )
        case "ordered":
            return expectations.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=first,
                column_B=check.columns[1],
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                **told,
            )
        case "one_of":
            return expectations.ExpectColumnValuesToBeInSet(
                column=first, value_set=list(check.values), **told
            )


def _run(
    context: Any,  # noqa: ANN401  (its own type is private)
    name: str,
    frame: pd.DataFrame,
    checks: Sequence[Check],
) -> dict[str, Any]:
    """Return Great Expectations' result of each check by name."""
    gx: Any = import_module("great_expectations")

    batch = (
        context.data_sources.add_pandas(name)
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("all rows")
    )
    suite = context.suites.add(
        gx.ExpectationSuite(name=name, expectations=[_expectation(check) for check in checks])
    )
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=name, data=batch, suite=suite)
    )
    told = [column for column in FRAMES[checks[0].frame] if column in frame.columns]
    validated = definition.run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": told[:4],
            "return_unexpected_index_query": False,
        },
    )
    return {result.expectation_config.meta["check"]: result for result in validated.results}


def _result(check: Check, frame: pd.DataFrame, validated: Any) -> CheckResult:  # noqa: ANN401
    if validated.exception_info.get("raised_exception"):
        raise FrameRejected(
            f"{check.suite}: {check.name} could not be evaluated: "
            f"{validated.exception_info.get('exception_message')}"
        )
    rows = validated.result.get("unexpected_index_list") or []
    sample = tuple(
        " ".join(f"{name}={_spelled(value)}" for name, value in row.items())
        for row in rows[:SAMPLE_SIZE]
    )
    return CheckResult(
        check=check,
        success=bool(validated.success),
        observed=_worst(check, frame[check.columns[0]]) if len(frame) else None,
        row_count=len(frame),
        unexpected_count=int(validated.result.get("unexpected_count") or 0),
        sample=sample,
        findings=_findings(check, rows),
    )


def _spelled(value: Any) -> str:  # noqa: ANN401  (whatever a frame holds)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _worst(check: Check, values: "pd.Series[Any]") -> float | None:
    if check.rule not in ("at_least", "at_most"):
        return None
    worst = values.min() if check.rule == "at_least" else values.max()
    return None if pd.isna(worst) else float(worst)


def _findings(check: Check, rows: list[dict[str, Any]]) -> tuple[Finding, ...]:
    """Return the worst of each asset, venue and hour among rows that speak against the check."""
    if not rows or not all(name in rows[0] for name in _SCOPE):
        return ()
    worst: dict[tuple[Any, Any, Any], float | None] = {}
    for row in rows:
        key = (row["asset"], row["venue"], row["as_of"])
        value = None
        if check.rule in ("at_least", "at_most"):
            value = float(row[check.columns[0]])
            known = worst.get(key)
            if known is not None:
                value = min(known, value) if check.rule == "at_least" else max(known, value)
        worst[key] = value
        if len(worst) >= SCOPES_TOLD:
            break
    return tuple(
        Finding(asset, venue, as_of, value) for (asset, venue, as_of), value in worst.items()
    )
