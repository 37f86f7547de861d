"""Running checks with Great Expectations, the only module that imports it.

It takes seconds to import and its results have types of their own: both stay behind ``Validation``,
which takes data frames and returns plain records. It sends nothing anywhere and writes only the
pages it is given a folder for.
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
from quality.results import MOST_FINDINGS, CheckResult, Finding
from quality.suites import Check, frame_columns

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 5
_SCOPE = ("asset", "venue", "as_of")

# Leading columns of a frame that identify a row.
_IDENTIFYING_COLUMNS = 4


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
        """Return the results of checks on frames, in the order of the checks.

        Parameters
        ----------
        checks : iterable of Check
            Checks whose frames are given, each once.
        frames : mapping of str to DataFrame
            Frames by name, with at least the columns of ``frame_columns``; one without rows passes.

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
        """Write the results of all runs as HTML that needs no network.

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
                "free some space or correct its permissions, and run `liqheat check` again"
            ) from exc


def _context() -> Any:  # noqa: ANN401  (its own type is private)
    """Return a context that lives in memory and reports to nobody."""
    # It logs its own set-up at length.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # It imports deprecated modules of the standard library.
        warnings.simplefilter("ignore", DeprecationWarning)
        gx: Any = import_module("great_expectations")
        types: Any = import_module("great_expectations.data_context.types.base")
    return gx.get_context(
        mode="ephemeral",
        project_config=types.DataContextConfig(
            # By default it leaves a site in a temporary folder.
            store_backend_defaults=types.InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            analytics_enabled=False,
            progress_bars={"globally": False, "metric_calculations": False},
        ),
    )


def _prepared(name: str, frame: pd.DataFrame | None, checks: Sequence[Check]) -> pd.DataFrame:
    """Return the frame with the columns the checks look at, figures as float."""
    if frame is None:
        raise FrameRejected(f"no frame {name}; {checks[0].suite} checks {checks[0].name} on it")
    wanted = {*frame_columns(name), *(column for check in checks for column in check.columns)}
    missing = sorted(wanted - set(frame.columns))
    if missing:
        raise FrameRejected(f"frame {name} lacks {', '.join(missing)}")
    figures = {
        column
        for check in checks
        if check.has_level or check.rule == "ordered"
        for column in check.columns
    }
    return frame.astype(dict.fromkeys(figures, "float64"))


def _expectation(check: Check) -> Any:  # noqa: ANN401  (of several classes)
    expectations: Any = import_module("great_expectations.expectations")
    first, last = check.columns[0], check.columns[-1]
    by_rule: dict[str, tuple[str, dict[str, Any]]] = {
        "at_least": ("ColumnValuesToBeBetween", {"column": first, "min_value": check.level}),
        "at_most": ("ColumnValuesToBeBetween", {"column": first, "max_value": check.level}),
        "not_null": ("ColumnValuesToNotBeNull", {"column": first}),
        "unique": ("CompoundColumnsToBeUnique", {"column_list": list(check.columns)}),
        "equal": ("ColumnPairValuesToBeEqual", {"column_A": first, "column_B": last}),
        "ordered": (
            "ColumnPairValuesAToBeGreaterThanB",
            {
                "column_A": first,
                "column_B": last,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
        ),
        "one_of": ("ColumnValuesToBeInSet", {"column": first, "value_set": list(check.values)}),
    }
    name, arguments = by_rule[check.rule]
    return getattr(expectations, f"Expect{name}")(
        **arguments,
        severity=check.severity,
        meta={"check": check.name},
        notes=check.description,
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
    try:
        validated = definition.run(
            batch_parameters={"dataframe": frame},
            # All rows that fail would be copied and serialised several times; see `_failing_rows`.
            result_format={"result_format": "SUMMARY"},
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
    rows = [] if validated.success else _failing_rows(check, frame)
    return CheckResult(
        check=check,
        success=bool(validated.success),
        observed=_worst(check, frame[check.columns[0]]) if len(frame) else None,
        row_count=len(frame),
        unexpected_count=int(validated.result.get("unexpected_count") or 0),
        # Rows come in no order, and an hour checked again must give the same result.
        sample=tuple(heapq.nsmallest(SAMPLE_SIZE, map(_row_text, rows))),
        findings=_findings(check, rows),
    )


def _failing_rows(check: Check, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows that fail a check: its columns, then those that identify a row.

    Great Expectations counts them; its own list of them takes longer than all checks together.
    """
    columns = list(check.columns)
    first, other = frame[columns[0]], frame[columns[-1]]
    match check.rule:
        case "at_least":
            fails = first < check.level
        case "at_most":
            fails = first > check.level
        case "not_null":
            fails = first.isna()
        case "unique":
            fails = frame.duplicated(columns, keep=False)
        case "equal":
            fails = first.ne(other) & ~(first.isna() & other.isna())
        case "ordered":
            fails = first < other
        case "one_of":
            fails = first.notna() & ~first.isin(check.values)
    shown = dict.fromkeys((*columns, *frame_columns(check.frame)[:_IDENTIFYING_COLUMNS]))
    return [
        dict(zip(shown, row, strict=True))
        for row in frame.loc[fails, list(shown)].itertuples(index=False, name=None)
    ]


def _row_text(row: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row.items()
    )


def _worst(check: Check, values: "pd.Series[Any]") -> float | None:
    if not check.has_level:
        return None
    worst = values.min() if check.rule == "at_least" else values.max()
    return None if pd.isna(worst) else float(worst)


def _findings(check: Check, rows: Sequence[Mapping[str, Any]]) -> tuple[Finding, ...]:
    """Return the worst of each asset, venue and hour among the rows that fail a check.

    Rows of no asset belong to none. Beyond ``MOST_FINDINGS`` rows count with the last finding of
    their asset, so that every asset has one.
    """
    if not rows or not all(name in rows[0] for name in _SCOPE):
        return ()
    column = check.columns[0]
    sign = -1 if check.rule == "at_least" else 1
    by_scope: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    last_of_asset: dict[Any, tuple[Any, ...]] = {}
    # From the first hour on, so that where there are too many each asset keeps its first ones.
    for row in sorted((row for row in rows if row["asset"]), key=lambda row: row["as_of"]):
        key = tuple(row[name] for name in _SCOPE)
        if len(by_scope) >= MOST_FINDINGS and key not in by_scope:
            key = last_of_asset.get(row["asset"], key)
        last_of_asset[row["asset"]] = key
        by_scope.setdefault(key, []).append(row)
    findings = []
    for (asset, venue, as_of), of_scope in by_scope.items():
        worst = of_scope[0]
        if check.has_level:
            worst = max(of_scope, key=lambda row: sign * float(row[column]))
        findings.append(
            Finding(
                asset=asset,
                venue=venue,
                as_of=as_of,
                observed=float(worst[column]) if check.has_level else None,
                row_count=len(of_scope),
                sample=_row_text(worst),
            )
        )
    return tuple(findings)
