"""What failed checks hold back from publication: some assets, or everything.

Belongs here: reading it from stored results. Does not belong here: what is checked
(``quality.suites``) and leaving it out (``warehouse.publication``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from duckdb import DuckDBPyConnection

from warehouse.queries import named_query


@dataclass(frozen=True, slots=True)
class HeldAsset:
    """An asset that is held back.

    Parameters
    ----------
    asset : str
        Its name.
    since : datetime
        First hour that may not be published; those before it stay.
    check_name : str
        The critical check that fails for it.
    """

    asset: str
    since: datetime
    check_name: str

    def __str__(self) -> str:
        """Return the asset, the hour and the check."""
        return f"{self.asset} since {self.since:%Y-%m-%d %H:%M} ({self.check_name})"


def held_back(connection: DuckDBPyConnection, as_of: datetime) -> tuple[HeldAsset, ...]:
    """Return the assets with hours up to `as_of` that failed a critical check and never passed.

    In order of the hour since which they are held back.
    """
    rows = connection.execute(
        "select asset, held_from_at, check_name from intermediate.int_held_back "
        "where held_from_at <= ? order by held_from_at, asset",
        [as_of],
    ).fetchall()
    return tuple(HeldAsset(*row) for row in rows)


def stops_everything(
    connection: DuckDBPyConnection, as_of: datetime, held: Sequence[HeldAsset]
) -> tuple[str, datetime] | None:
    """Return the check that stops all publication and its hour; None if something can be published.

    That is one that fails for rows without an asset; else the first of those that together hold
    back every asset with a map at `as_of`.
    """
    row = connection.execute(named_query("failures_without_asset"), {"as_of": as_of}).fetchone()
    if row is not None:
        return row[0], row[1]
    if not held:
        return None
    mapped = connection.execute(
        "select distinct asset from derived.heatmap where as_of = ("
        "select max(as_of) from derived.heatmap where as_of <= ?)",
        [as_of],
    ).fetchall()
    is_all_held = {asset for (asset,) in mapped} <= {each.asset for each in held}
    return (held[0].check_name, held[0].since) if is_all_held else None
