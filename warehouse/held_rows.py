"""Which rows a publication leaves out: those of assets that checks hold back, by hour.

Does not belong here: which assets those are (``intermediate.int_held_back``).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import duckdb

from warehouse.as_published import PUBLICATION_RECORDS
from warehouse.contracts import Relation
from warehouse.sql_text import quoted


@dataclass(frozen=True, slots=True)
class HeldRows:
    """The rows of assets that checks hold back.

    Written into statements as literals. They are few, mostly none, and a join against them by hour
    takes as long as writing a day of maps.

    Parameters
    ----------
    assets : tuple of (str, datetime)
        Assets, each with the hour from which on its rows are held back.
    grades : tuple of (str, datetime)
        The same of those whose grades are held back too.
    """

    assets: tuple[tuple[str, datetime], ...]
    grades: tuple[tuple[str, datetime], ...]

    @classmethod
    def read(cls, connection: duckdb.DuckDBPyConnection) -> Self:
        """Return what the warehouse holds back."""
        rows = connection.execute(
            "select asset, min(held_from_at), min(held_from_at) filter (is_grade_held) "
            "from intermediate.int_held_back group by asset order by asset"
        ).fetchall()
        return cls(
            tuple((asset, at) for asset, at, _ in rows),
            tuple((asset, at) for asset, _, at in rows if at is not None),
        )

    def condition(self, relation: Relation) -> str:
        """Return the condition on rows of an hourly relation that are not held back."""
        is_about_rows = relation.schema == "quality" or relation.name in PUBLICATION_RECORDS
        if is_about_rows or "asset" not in relation.column_names:
            return "true"
        # The reasons why an asset is held back are part of its grade, which is published unless
        # the grade itself fails.
        held = self.grades if relation.name == "marts.asset_quality_hourly" else self.assets
        if not held:
            return "true"
        # A row without an asset or an hour is never held back.
        cases = " or ".join(
            f"(asset = {quoted(asset)} and as_of >= timestamptz '{at.isoformat()}')"
            for asset, at in held
        )
        return f"not coalesce({cases}, false)"
