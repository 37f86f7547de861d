"""Landing what a round receives, without rows the warehouse already has.

Belongs here: which rows are new. Does not belong here: writing files (`jobs.collect.landing`).
"""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.collect.known import Known
from jobs.collect.landing import land, landing_name
from sources.checks import separate_bad_names
from sources.records import Batch
from warehouse.lookups import BRACKET_COLUMNS, key_columns


class NewRowLander:
    """Lands the new rows of batches; call it with each batch.

    Parameters
    ----------
    folder : Path
        The landing folder.
    known : Known
        What the warehouse has.
    at : datetime
        When the round started, UTC: part of file names.

    Attributes
    ----------
    row_count : int
        Records landed so far, without those in quarantine.
    """

    def __init__(self, folder: Path, known: Known, at: datetime) -> None:
        self._folder, self._known, self._at = folder, known, at
        self.row_count = 0

    def __call__(self, batch: Batch) -> None:
        """Land what is new in a batch."""
        for part in separate_bad_names(batch):
            is_new = self._is_new(part)
            table = (
                part.table if is_new is None else part.table.filter(pa.array(is_new, pa.bool_()))
            )
            if table.num_rows:
                new = Batch(part.kind, table)
                land(new, self._folder, landing_name(new, self._at))
                self.row_count += table.num_rows if new.kind != "quarantine" else 0

    def _is_new(self, batch: Batch) -> list[bool] | None:
        """Return which rows are new; None for kinds that are requested only where missing."""
        if batch.kind in self._known.keys:
            seen = self._known.keys[batch.kind]
            return [key not in seen for key in _tuples(batch.table, *key_columns(batch.kind))]
        if batch.kind != "leverage_bracket":
            return None
        contracts = _tuples(batch.table, "venue", "instrument")
        received = defaultdict(list)
        brackets = _tuples(batch.table, *BRACKET_COLUMNS)
        for contract, bracket in zip(contracts, brackets, strict=True):
            received[contract].append(bracket)
        stored = {contract: one.brackets for contract, one in self._known.brackets.items()}
        return [stored.get(contract) != sorted(received[contract]) for contract in contracts]


def _tuples(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
