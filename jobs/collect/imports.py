"""Files a user has on disk: recorded market data, margin brackets, saved maps. Landed, loaded.

Belongs here: one import from its files to the report. Does not belong here: reading a format
(`sources`), files that liqheat fetches itself (`jobs.collect.archives`).
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.collect.landing import land_all
from jobs.progress import Progress, silent
from jobs.settings import Settings
from jobs.writer import open_writer, writer_run
from sources.bracket_files import import_brackets
from sources.errors import InputRejected
from sources.providers.declared import PROVIDERS
from sources.providers.provider import context_from_name
from sources.recorded.file_import import import_file
from sources.recorded.input_files import describe_other_market, find_inputs, other_market
from sources.recorded.known_closes import KnownCloses
from sources.recorded.mapping import Mapping, load_mapping
from sources.records import Batch
from sources.user_files import LARGEST_JSON_BYTES, opened, read_bytes
from warehouse.durable_files import write_whole
from warehouse.errors import WarehouseError
from warehouse.load import load_landing_files
from warehouse.lookups import bar_closes

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ImportReport:
    """What one import loaded and what it rejected.

    Parameters
    ----------
    rows_by_kind : Counter
        Rows landed by kind of record, those set aside under ``quarantine``.
    reasons : Counter
        Rows set aside by reason.
    places : dict of str to dict of str to str
        By reason and input, its first occurrence there: input, row, column.
    rejected : list of str
        One message for each input that could not be used at all.
    input_count : int
        Inputs read.
    notes : list of str
        What a reader of the rows should know; none is an error.
    """

    rows_by_kind: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    places: dict[str, dict[str, str]] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)
    input_count: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every row of every input was used."""
        return not self.rejected and not self.reasons

    def add_quarantine(self, batch: Batch) -> None:
        """Count the rows of a quarantine batch."""
        for row in batch.table.to_pylist():
            reason, name = row["reason"], row["input_name"]
            self.reasons[reason] += 1
            place = [name]
            if row["row_number"] is not None:
                place.append(f"row {row['row_number']:,}")
            if row["column_name"] is not None:
                place.append(f"column {row['column_name']}")
            self.places.setdefault(reason, {}).setdefault(name, ", ".join(place))

    def set_aside(self, most: int) -> list[str]:
        """Return the most frequent reasons in words, each with its first occurrence."""
        lines = []
        for reason, count in self.reasons.most_common(most):
            first, *others = self.places[reason].values()
            more = f", and in {len(others):,} more files" if others else ""
            lines.append(f"{count:,}: {reason} ({first}{more})")
        return lines


def _landing_stem(path: Path, *options: object) -> str:
    """Return a name for the landing files of an input; the same input has the same name."""
    with opened(path) as file:
        digest = hashlib.file_digest(file, "sha256")
    for option in options:
        digest.update(repr(option).encode())
    return f"{path.stem}-{digest.hexdigest()[:16]}"


def _land_all(
    batches: Iterable[Batch], settings: Settings, name: str, report: ImportReport
) -> list[Batch]:
    """Land the records of one input and return its bars."""
    bars = []
    for batch in land_all(batches, settings.landing, name):
        if batch.kind in ("ohlcv", "mark_ohlc"):
            bars.append(batch)
        report.rows_by_kind[batch.kind] += batch.table.num_rows
        if batch.kind == "quarantine":
            report.add_quarantine(batch)
    report.input_count += 1
    return bars


@contextmanager
def _rejecting(report: ImportReport, path: Path) -> Iterator[None]:
    """Reject an input that cannot be read, without failing the others."""
    try:
        yield
    except InputRejected as exc:
        logger.warning("rejected: %s", exc)
        report.rejected.append(str(exc))
    except WarehouseError:
        # A full disk, for instance: not the input's fault.
        raise
    except Exception as exc:
        # Readers raise InputRejected for the faults they know; others must not stop the import.
        logger.exception("%s cannot be imported", path)
        report.rejected.append(
            f"{path}: cannot be imported ({type(exc).__name__}: {exc}); none of it was loaded. "
            "Please report it, with the file if you can"
        )


def _load(settings: Settings, report: ImportReport) -> ImportReport:
    with writer_run(settings, "import") as (connection, run):
        loaded = load_landing_files(
            connection, settings.landing, run_id=run.run_id, loaded_at=run.started_at
        )
        report.rejected += loaded.rejected
        run.row_count = sum(loaded.rows_by_kind.values())
        run.detail = {
            "rows_by_kind": dict(report.rows_by_kind),
            "set_aside_by_reason": dict(report.reasons),
            "rejected": report.rejected,
            "input_count": report.input_count,
        }
    return report


def import_files(
    settings: Settings,
    paths: Sequence[Path],
    *,
    ingested_at: datetime,
    mapping: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    progress: Progress = silent,
) -> ImportReport:
    """Import files and folders through mappings and return the report.

    Parameters
    ----------
    settings : Settings
        Where things are.
    paths : sequence of Path
        Files, or folders to search.
    ingested_at : datetime
        Stamp of the rows; rows from after it cannot be right and are set aside.
    mapping : str, optional
        Name of a shipped mapping, or path of one; by default each file's name decides.
    start, end : datetime, optional
        Only rows with start <= instant < end.
    progress : callable
        Takes step, file and share done.

    Raises
    ------
    InputRejected
        A path does not exist, or the mapping is malformed.
    """
    report = ImportReport()
    inputs = _find_inputs(paths, None if mapping is None else load_mapping(mapping), report)
    closes = known_closes(settings)
    is_dated = any(one.time.label_change is not None for _, one in inputs)
    for number, (file, one) in enumerate(inputs):
        progress("import", file.name, number / len(inputs))
        with _rejecting(report, file):
            batches: Iterable[Batch] = import_file(
                file, one, ingested_at=ingested_at, start=start, end=end, closes=closes
            )
            options: list[object] = [one.source, one, start, end]
            if one.time.label_change is not None:
                # The same file may give other instants once bars are known.
                noted = len(closes.by_date_only)
                batches = list(batches)
                options += closes.by_date_only[noted:]
            bars = _land_all(batches, settings, _landing_stem(file, *options), report)
            if is_dated:
                for batch in bars:
                    closes.add(batch.kind, batch.table)
    report.notes += label_notes(closes)
    progress("import", "loading", 1.0)
    return _load(settings, report)


def _find_inputs(
    paths: Sequence[Path], chosen: Mapping | None, report: ImportReport
) -> list[tuple[Path, Mapping]]:
    """Return the files to import with their mappings, bars first; report the others."""
    inputs: list[tuple[Path, Mapping]] = []
    unread: dict[str, list[Path]] = {}
    for path in paths:
        found = find_inputs(path)
        if chosen is None:
            inputs += found.matched
            for file, advice in found.unmatched:
                unread.setdefault(advice, []).append(file)
            continue
        for file, _ in (*found.matched, *found.unmatched):
            folder = other_market(file, chosen)
            if folder is None:
                inputs.append((file, chosen))
            else:
                unread.setdefault(describe_other_market(folder, chosen), []).append(file)
    for advice, files in unread.items():
        more = f" and {len(files) - 1} more such files" if len(files) > 1 else ""
        report.rejected.append(f"{files[0]}{more}: {advice}")
    # Prices of bars decide how labels are meant.
    return sorted(inputs, key=lambda item: item[1].time.label_change is not None)


def known_closes(settings: Settings) -> KnownCloses:
    """Return closes that are read from the warehouse, instrument by instrument, when needed."""

    def read(venue: str, instrument: str) -> dict[str, pa.Table]:
        with open_writer(settings) as connection:
            return bar_closes(connection, venue, instrument)

    return KnownCloses(read)


def label_notes(closes: KnownCloses) -> list[str]:
    """Return a note on inputs whose labels were read by date alone."""
    if not closes.by_date_only:
        return []
    more = f" and {len(closes.by_date_only) - 1} more" if len(closes.by_date_only) > 1 else ""
    return [
        f"{closes.by_date_only[0]}{more}: no bars of these days are known, so labels were read by "
        "the date on which their meaning is reported to have changed; import the mark price bars "
        "first, then this again, to have prices decide"
    ]


def import_bracket_file(
    settings: Settings, path: Path, *, venue: str, valid_from: datetime, ingested_at: datetime
) -> ImportReport:
    """Import leverage brackets in ccxt's unified form and return the report."""
    report = ImportReport()
    with _rejecting(report, path):
        batches = import_brackets(path, venue=venue, valid_from=valid_from, ingested_at=ingested_at)
        _land_all(batches, settings, _landing_stem(path, venue, valid_from), report)
    return _load(settings, report)


def import_provider_answers(
    settings: Settings,
    provider: str,
    paths: Sequence[Path],
    *,
    ingested_at: datetime,
    **context: Any,  # noqa: ANN401  (fields of AnswerContext)
) -> ImportReport:
    """Import saved responses of an outside provider and return the report.

    The responses themselves are kept under their hash beside the landing files.

    Parameters
    ----------
    settings : Settings
        Where things are.
    provider : str
        A key of ``sources.providers.declared.PROVIDERS``.
    paths : sequence of Path
        Saved responses.
    ingested_at : datetime
        Stamp of the rows.
    **context
        Fields of ``AnswerContext`` that the file's name does not hold: asset, venue_scope,
        captured_at, model, reference_price; None leaves them to the name.
    """
    if provider not in PROVIDERS:
        raise InputRejected(f"unknown provider {provider}; known are {', '.join(PROVIDERS)}")
    report = ImportReport()
    given = {name: value for name, value in context.items() if value is not None}
    for path in paths:
        with _rejecting(report, path):
            raw = read_bytes(path, LARGEST_JSON_BYTES)
            named = context_from_name(PROVIDERS[provider], path.name, ingested_at)
            batches = PROVIDERS[provider].parse(raw, replace(named, **given))
            stem = _landing_stem(path, provider, sorted(context.items(), key=str))
            kept = settings.answers / provider / f"{stem}{path.suffix}"
            if not kept.exists():
                write_whole(kept, raw)
            _land_all(batches, settings, f"{provider}-{stem}", report)
    return _load(settings, report)
