"""The rows of one response with all that is known when they are read, and what is read from them.

Belongs here: which rows were requested, are final, repeat or contradict another. Does not belong
here: the columns of a record kind (`sources.venues.page_reader`), making requests
(`sources.venues.client`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from sources.checks import Provenance, make_batches
from sources.records import Batch
from sources.venues.endpoints import Endpoint
from sources.venues.instruments import Instrument
from sources.venues.payload import Floats, Mask, Milliseconds, Table, to_ms
from sources.venues.plausibility import AuditLog, Observation, drop_repeated


@dataclass(slots=True)
class LatestCloses:
    """Closing prices of the latest bars by instrument: they value open interest in the unit audit.

    Parameters
    ----------
    bars : dict of str to (ndarray of int64, ndarray of float64)
        Ends of bars [ms] and their closes [USD per asset unit].
    """

    bars: dict[str, tuple[Milliseconds, Floats]] = field(default_factory=dict)

    def at(self, instrument: str, instants: Milliseconds) -> Floats:
        """Return the closes at exactly these instants [ms], NaN where there is none."""
        if instrument not in self.bars:
            return np.full(len(instants), np.nan)
        ends, closes = self.bars[instrument]
        places = np.clip(np.searchsorted(ends, instants), 0, len(ends) - 1)
        return np.where(ends[places] == instants, closes[places], np.nan)


@dataclass(slots=True)
class ResponseContext:
    """What is known when a response is read.

    Parameters
    ----------
    venue : str
        Its venue.
    instruments : mapping of str to Instrument
        Those requested, by the spelling in the endpoint's ``id_column``; exactly one where rows
        name none.
    now : datetime
        When the response was received.
    input_name : str
        The request, free of secrets.
    first_ms, end_ms : int or None
        Labels requested: from the first up to, not including, the end. None: all.
    previous : mapping of str to Observation
        Last accepted open interest.
    closes : LatestCloses
        Prices for the unit audit.
    audit : AuditLog
        Collects the ratios of the unit audit.
    seen : set
        Keys of the previous page, where pages overlap.
    """

    venue: str
    instruments: Mapping[str, Instrument]
    now: datetime
    input_name: str
    first_ms: int | None = None
    end_ms: int | None = None
    previous: Mapping[str, Observation] = field(default_factory=dict)
    closes: LatestCloses = field(default_factory=LatestCloses)
    audit: AuditLog = field(default_factory=AuditLog)
    seen: set[object] = field(default_factory=set)

    @property
    def now_ms(self) -> int:
        """Return when the response was received [ms]."""
        return to_ms(self.now)

    def sole_instrument(self) -> Instrument:
        """Return the one instrument requested."""
        (instrument,) = self.instruments.values()
        return instrument

    def provenance(self, kind: str, source: str) -> Provenance:
        """Return what records of a kind from this response have in common."""
        return Provenance(kind, self.venue, self.input_name, source, self.now)


@dataclass(slots=True)
class ResponseRows:
    """The rows of one response, on the way to records.

    Parameters
    ----------
    endpoint : Endpoint
        Where they come from.
    payload : object
        The whole response, decoded.
    table : Table
        Its rows.
    context : ResponseContext
        What was requested, and when.
    labels : ndarray of int64, shape (n_rows,)
        Labels [ms]; 0 where rejected.
    """

    endpoint: Endpoint
    payload: object
    table: Table
    context: ResponseContext
    labels: Milliseconds

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.table.rows)

    def numbers(self, cell: str, *, is_required: bool = True) -> Floats:
        """Return a declared column as numbers, shape (n_rows,)."""
        return self.table.numbers(self.endpoint.columns[cell], cell, is_required=is_required)

    def flag(self, rows: Mask, cell: str, reason: str) -> None:
        """Reject rows for a reason."""
        self.table.rejects.flag(rows, cell, reason)

    def are_wanted(self) -> Mask:
        """Return which rows were requested and are final, shape (n_rows,)."""
        labels, context = self.labels, self.context
        settles_ms = self.endpoint.settles_after_seconds * 1000
        wanted = (labels > 0) & (labels + settles_ms <= context.now_ms)
        if context.first_ms is not None:
            wanted &= labels >= context.first_ms
        if context.end_ms is not None:
            wanted &= labels < context.end_ms
        return wanted

    def keep(
        self, keys: Sequence[object], values: Sequence[Floats], wanted: Mask
    ) -> npt.NDArray[np.intp]:
        """Return the rows that become records, by label: wanted, without fault, each key once."""
        usable = wanted & self.table.rejects.is_usable
        kept, contradicting = drop_repeated(keys, values, usable)
        self.flag(contradicting, "time", "a second row of this label has other values")
        rows = np.flatnonzero(kept)
        return rows[np.argsort(self.labels[rows], kind="stable")]

    def instruments(self) -> list[Instrument | None]:
        """Return the instrument of each row; None for instruments that were not requested."""
        return instruments_of_rows(self.endpoint, self.table, self.context)

    def batches(
        self,
        kind: str,
        count: int,
        columns: Mapping[str, object],
        instruments: Sequence[str | None] | None = None,
    ) -> list[Batch]:
        """Return ``count`` records, and the quarantine of rejected rows.

        ``instruments`` names the instrument of each row where there are several.
        """
        if instruments is None:
            name = self.context.sole_instrument().instrument
            instruments, columns = [name] * len(self), {"instrument": name, **columns}
        origin = self.context.provenance(kind, source_of(self.endpoint))
        return make_batches(origin, count, columns, self.table.refused(instruments))


def source_of(endpoint: Endpoint) -> str:
    """Return the ``source`` of records from an endpoint."""
    return f"ccxt:{endpoint.method}"


def instruments_of_rows(
    endpoint: Endpoint, table: Table, context: ResponseContext
) -> list[Instrument | None]:
    """Return the instrument of each row; None for instruments that were not requested."""
    if endpoint.id_column is None:
        return [context.sole_instrument()] * len(table.rows)
    return [
        None if name is None else context.instruments.get(name)
        for name in table.texts(endpoint.id_column)
    ]
