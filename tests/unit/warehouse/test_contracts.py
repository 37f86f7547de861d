"""Rows of stored tables take the types of their contract."""

import numpy as np
import pyarrow as pa
import pytest

from warehouse.contracts import relations, stored_rows
from warehouse.errors import ContractViolation

FEED_GAP = {
    "venue": "gate",
    "instrument": ["BTC/USDT:USDT", "ETH/USDT:USDT"],
    "kind": pa.array(["ohlcv", "ohlcv"]),
    "gap_from": np.array([0, 3_600_000_000]),
    "gap_to": 7_200_000_000,
}


def test_values_are_cast_and_a_scalar_holds_for_every_row():
    rows = stored_rows("meta.feed_gap", FEED_GAP)
    assert rows.schema.equals(relations()["meta.feed_gap"].arrow_schema)
    assert [row["venue"] for row in rows.to_pylist()] == ["gate", "gate"]
    assert [row["gap_to"].hour for row in rows.to_pylist()] == [2, 2]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({name: FEED_GAP[name] for name in FEED_GAP if name != "kind"}, "kind"),
        ({**FEED_GAP, "asset": "BTC"}, "asset"),
    ],
)
def test_a_column_missing_or_too_many_is_refused(columns, named):
    with pytest.raises(ContractViolation, match=rf"meta.feed_gap: columns \['{named}'\]"):
        stored_rows("meta.feed_gap", columns)
