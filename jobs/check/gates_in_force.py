"""The gates of a home: the declared ones with the levels of ``quality_thresholds.yaml``.

The file gives levels by gate, for example ::

    whale_concentration: {soft: 0.4}
    bar_coverage: {soft: 0.98, hard: 0.9}
    price_gap: {soft: null}            # never flagged
"""

from duckdb import DuckDBPyConnection

from jobs.settings import Settings
from quality.gates import Gates, declared_gates, override_levels
from sources.user_models import UserModel, read_model
from warehouse.connect import insert_values

LEVELS_FILE = "quality_thresholds.yaml"

# Columns of quality.threshold, each with the attribute of the gate that fills it.
_STORED = "measure", "unit", "direction", "role", "soft", "hard", "is_required", "reason"


class _Levels(UserModel):
    """Levels of one gate; null for never."""

    soft: float | None = None
    hard: float | None = None


def read_gates(settings: Settings) -> Gates:
    """Return the gates in force.

    Raises
    ------
    InputRejected
        If the file cannot be read, or a level is no finite number.
    ThresholdsRejected
        If the file names an unknown gate, or its levels contradict each other.
    """
    path = settings.home / LEVELS_FILE
    if not path.exists():
        return declared_gates()
    levels = read_model(path, dict[str, _Levels], example="price_gap: {soft: 0.01}")
    given = {name: each.model_dump(exclude_unset=True) for name, each in levels.items()}
    return override_levels(declared_gates(), given, where=str(path))


def store_gates(connection: DuckDBPyConnection, gates: Gates) -> None:
    """Replace the stored gates; where they change, all graded days are published again.

    Runs in the caller's transaction.
    """
    rows = [
        (name, position, *(getattr(gate, column) for column in _STORED))
        for position, (name, gate) in enumerate(gates.items(), start=1)
    ]
    known = connection.execute("select * from quality.threshold order by position").fetchall()
    if known == rows:
        return
    connection.execute("delete from quality.threshold")
    insert_values(connection, "quality.threshold", rows)
    connection.execute(
        "insert into meta.pending_publish "
        "select distinct as_of::date from intermediate.int_quality_measures"
    )
