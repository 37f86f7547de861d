"""Running checks with Great Expectations, the only place that imports it.

It takes seconds to import and its results are its own: both stay behind ``Validation``, which
takes data frames and returns plain records. Nothing is sent anywhere, and nothing is written but
the pages asked for.
"""

import heapq
import logging
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from quality.errors import FrameRejected, PagesNotWritten
from quality.pages import make_self_contained
from quality.results import SCOPES_TOLD, CheckResult, Finding
from quality.suites import FRAMES, Check

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 5
_SCOPE = ("asset", "venue", "as_of")


class Validation:
    """Checks run one suite after the other, whose pages are written together at the end.

    Parameters
    ----------
    pages : Path, optional
        Folder for Data Docs, replaced as a whole by ``write_pages``; by default there are none.
    """

    def __init__(self, pages: Path | None = None) -> None:
        self._pages = pages
        self._context = _context()
        self._found: list[CheckResult] = []

    def run(
        self, checks: Iterable[Check], frames: Mapping[str, pd.DataFrame]
    ) -> tuple[CheckResult, ...]:
        """Return what checks find in frames, in the order of the checks.

        Parameters
        ----------
        checks : iterable of Check
            Checks whose frames are there, each asked once.
        frames : mapping of str to DataFrame
            Frames by name, with at least the columns of ``FRAMES``; one without rows passes.

        Raises
        ------
        FrameRejected
            A frame or column that a check looks at is missing.
        """
        wanted = tuple(checks)
        by_batch: dict[tuple[str, str], list[Check]] = {}
        for check in wanted:
            by_batch.setdefault((check.suite, check.frame), []).append(check)
        results: dict[tuple[str, str], CheckResult] = {}
        for (suite, name), group in by_batch.items():
            frame = _prepared(name, frames.get(name), group)
            validated = _run(self._context, f"{suite}_{name}", frame, group)
            for check in group:
                results[check.suite, check.name] = _result(check, frame, validated[check.name])
        found = tuple(results[check.suite, check.name] for check in wanted)
        self._found += found
        return found

    def write_pages(self) -> None:
        """Write what was run as HTML that needs no network.

        Raises
        ------
        PagesNotWritten
            The folder cannot be written.
        """
        if self._pages is None:
            return
        try:
            shutil.rmtree(self._pages, ignore_errors=True)
            self._pages.mkdir(parents=True)
            self._context.add_data_docs_site(
                site_name="liqheat",
                site_config={
                    "class_name": "SiteBuilder",
                    "show_how_to_buttons": False,
                    "store_backend": {
                        "class_name": "TupleFilesystemStoreBackend",
                        "base_directory": str(self._pages.resolve()),
                    },
                    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                },
            )
            self._context.build_data_docs()
            make_self_contained(self._pages, self._found)
        except OSError as exc:
            raise PagesNotWritten(
                f"{self._pages}: the pages of the checks cannot be written ({exc}); "
                "make room or let it be written, and run `liqheat check` again"
            ) from exc


def _context() -> Any:  # noqa: ANN401  (its own type is private)
    """Return a context that lives in memory and tells nobody."""
    # Its account of its own set-up is of no use to anybody here.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # It imports modules of the standard library that are on their way out.
        warnings.simplefilter("ignore", DeprecationWarning)
        gx: Any = import_module("great_expectations")
        types: Any = import_module("great_expectations.data_context.types.base")
    return gx.get_context(
        mode="ephemeral",
        project_config=types.DataContextConfig(
            # Without it a site is set up in a temporary folder that nobody clears away.
            store_backend_defaults=types.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            analytics_enabled=False,
            progress_bars={"globally": False, "metric_calculations": False},
        ),
    )


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
    try:
        validated = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": told[:4],
                "return_unexpected_index_query": False,
            },
        )
    except gx.exceptions.GreatExpectationsError as exc:
        raise FrameRejected(f"{name}: {exc}") from exc
    return {result.expectation_config.meta["check"]: result for result in validated.results}


def _result(check: Check, frame: pd.DataFrame, validated: Any) -> CheckResult:  # noqa: ANN401
    if validated.exception_info.get("raised_exception"):
        raise FrameRejected(
            f"{check.suite}: {check.name} could not be evaluated: "
            f"{validated.exception_info.get('exception_message')}"
        )
    rows = validated.result.get("unexpected_index_list") or []
    return CheckResult(
        check=check,
        success=bool(validated.success),
        observed=_worst(check, frame[check.columns[0]]) if len(frame) else None,
        row_count=len(frame),
        unexpected_count=int(validated.result.get("unexpected_count") or 0),
        # Rows come in no order, and an hour checked again must give the same result.
        sample=tuple(heapq.nsmallest(SAMPLE_SIZE, map(_told, rows))),
        findings=_findings(check, rows),
    )


def _told(row: Mapping[str, Any]) -> str:
    """Return a row as text."""
    return " ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row.items()
    )


def _worst(check: Check, values: "pd.Series[Any]") -> float | None:
    if check.rule not in ("at_least", "at_most"):
        return None
    worst = values.min() if check.rule == "at_least" else values.max()
    return None if pd.isna(worst) else float(worst)


def _findings(check: Check, rows: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return the worst of each asset, venue and hour among rows that speak against the check.

    Rows of no asset belong to none. Beyond ``SCOPES_TOLD`` rows count with the last scope that is
    told of their asset, so that every asset is told.
    """
    if not rows or not all(name in rows[0] for name in _SCOPE):
        return ()
    has_figure = check.rule in ("at_least", "at_most")
    sign = -1 if check.rule == "at_least" else 1
    by_scope: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    last_of_asset: dict[Any, tuple[Any, ...]] = {}
    # From the first hour on, so that where there are too many each asset's first ones are told.
    for row in sorted((row for row in rows if row["asset"]), key=lambda row: row["as_of"]):
        key = tuple(row[name] for name in _SCOPE)
        if len(by_scope) >= SCOPES_TOLD and key not in by_scope:
            key = last_of_asset.get(row["asset"], key)
        last_of_asset[row["asset"]] = key
        by_scope.setdefault(key, []).append(row)
    findings = []
    for (asset, venue, as_of), of_scope in by_scope.items():
        worst = of_scope[0]
        if has_figure:
            worst = max(of_scope, key=lambda row: sign * float(row[check.columns[0]]))
        findings.append(
            Finding(
                asset=asset,
                venue=venue,
                as_of=as_of,
                observed=float(worst[check.columns[0]]) if has_figure else None,
                row_count=len(of_scope),
                sample=_told(worst),
            )
        )
    return tuple(findings)
