"""Landing what a round receives, without rows the warehouse already has.

Belongs here: which rows are new. Does not belong here: writing files (`jobs.collect.landing`).
"""

from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from jobs.collect.landing import land, landing_name
from jobs.collect.warehouse_state import WarehouseState
from sources.checks import separate_bad_names
from sources.records import Batch
from warehouse.lookups import BRACKET_COLUMNS, key_columns


class NewRowLander:
    """Lands the new rows of batches; call it with each batch.

    Parameters
    ----------
    folder : Path
        The landing folder.
    known : WarehouseState
        What the warehouse has.
    at : datetime
        When the round started, UTC: part of file names.

    Attributes
    ----------
    row_count : int
        Records landed so far, without those in quarantine.
    """

    def __init__(self, folder: Path, known: WarehouseState, at: datetime) -> None:
        self._folder, self._known, self._at = folder, known, at
        self.row_count = 0

    def __call__(self, batch: Batch) -> None:
        """Land what is new in a batch."""
        for part in separate_bad_names(batch):
            new = Batch(part.kind, self._new_rows(part))
            if new.table.num_rows:
                land(new, self._folder, landing_name(new, self._at))
                self.row_count += new.table.num_rows if new.kind != "quarantine" else 0

    def _new_rows(self, batch: Batch) -> pa.Table:
        table = batch.table
        if batch.kind in self._known.keys:
            seen = self._known.keys[batch.kind]
            keep = [key not in seen for key in _tuples(table, *key_columns(batch.kind))]
        elif batch.kind == "leverage_bracket":
            contracts = _tuples(table, "venue", "instrument")
            received = defaultdict(list)
            for contract, bracket in zip(contracts, _tuples(table, *BRACKET_COLUMNS), strict=True):
                received[contract].append(bracket)
            stored = {contract: one.brackets for contract, one in self._known.brackets.items()}
            keep = [stored.get(contract) != sorted(received[contract]) for contract in contracts]
        else:
            # Other kinds are requested only where they are missing.
            return table
        return table.filter(pa.array(keep, pa.bool_()))


def _tuples(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))
