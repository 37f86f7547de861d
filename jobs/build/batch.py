"""A batch: some assets replayed together, and where the replay of each series has to begin.

A series goes on from its last checkpoint at which every estimator has a state. One without a
checkpoint begins as long before its first open interest as bars count. Instants are int64
microseconds since 1970, UTC.
"""

from dataclasses import dataclass

import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.build import limits
from jobs.build.build_plan import BuildTask
from jobs.build.replay import TRAIL_MICROSECONDS
from jobs.build.replay_inputs import read_series
from jobs.build.replay_records import Series
from jobs.instants import BEGINNING, DAY_MICROSECONDS, HOUR_MICROSECONDS, to_instant
from transforms.estimators import EstimatorParameters
from transforms.state import State
from warehouse.queries import named_query

SeriesKey = tuple[str, str]
"""Venue and instrument."""


@dataclass(frozen=True, slots=True)
class BuildBatch:
    """Assets that are replayed together.

    Parameters
    ----------
    estimators : dict of str to tuple of EstimatorParameters
        Estimators by asset.
    from_at : dict of str to int
        Instant after which the hours of each asset are replaced [microseconds].
    until : int
        Last hour to build [microseconds].
    series : list of Series
        Their series, each as it is where its replay begins.
    begins_at : dict of (venue, instrument) to int
        Where the replay of each series begins [microseconds].
    run_id : str
        Written beside each row.
    """

    estimators: dict[str, tuple[EstimatorParameters, ...]]
    from_at: dict[str, int]
    until: int
    series: list[Series]
    begins_at: dict[SeriesKey, int]
    run_id: str

    @property
    def assets(self) -> list[str]:
        """The assets."""
        return list(self.estimators)


def open_batch(connection: DuckDBPyConnection, tasks: list[BuildTask], run_id: str) -> BuildBatch:
    """Return the batch of some tasks with the same end, its series set to where they begin."""
    estimators = {task.asset: task.estimators for task in tasks}
    from_at = {task.asset: task.from_at for task in tasks}
    series = read_series(connection, list(estimators))
    _register(connection, estimators, from_at)
    for asset, reached in _holes_reached(connection, from_at).items():
        from_at[asset] = min(from_at[asset], reached)
    _register(connection, estimators, from_at)
    begins_at = _resume(connection, series)
    begins_at |= _first_starts(connection, [key for key in series if key not in begins_at])
    return BuildBatch(estimators, from_at, tasks[0].until, list(series.values()), begins_at, run_id)


def _register(
    connection: DuckDBPyConnection,
    estimators: dict[str, tuple[EstimatorParameters, ...]],
    from_at: dict[str, int],
) -> None:
    """Register since when each asset is out of date, and for which parameters, for SQL."""
    table = pa.table(
        {
            "asset": list(from_at),
            "from_at": pa.array(list(from_at.values()), pa.int64()),
            "params_hashes": [
                [parameters.params_hash for parameters in estimators[asset]] for asset in from_at
            ],
        }
    )
    connection.register("batch_from_at", table)


def _holes_reached(connection: DuckDBPyConnection, from_at: dict[str, int]) -> dict[str, int]:
    """Return the last observed hour before holes that new observations may fill, by asset.

    An observation of open interest changes the values in the hole before it, hence all maps since
    the last hour that had an observation.
    """
    earliest = min(from_at.values())
    rows = connection.execute(
        named_query("holes_reached"),
        {
            "observed_from": to_instant(earliest),
            "hole_from": to_instant(
                max(earliest - (limits.HOLE_DAYS + 1) * DAY_MICROSECONDS, BEGINNING)
            ),
        },
    ).fetchall()
    return dict(rows)


def _resume(
    connection: DuckDBPyConnection, series: dict[SeriesKey, Series]
) -> dict[SeriesKey, int]:
    """Set each series to its last checkpoint at which every estimator has a state.

    Return the instants of these checkpoints.
    """
    rows = connection.execute(named_query("resumable_checkpoints")).fetchall()
    resumed_at = {}
    for venue, instrument, provider, at, first_bar, last_end, observed_end, payload in rows:
        one = series.get((venue, instrument))
        if one is None:
            continue
        state = State.from_bytes(payload)
        one.states[provider] = state
        one.observed, one.observed_end = state.open_interest, observed_end
        one.first_bar_start, one.last_bar_end = first_bar, last_end
        resumed_at[one.key] = at
    return resumed_at


def _first_starts(connection: DuckDBPyConnection, new: list[SeriesKey]) -> dict[SeriesKey, int]:
    """Return where series without a checkpoint begin.

    That is as long before the first open interest as bars count. A series without any may begin
    where its asset's replay does.
    """
    if not new:
        return {}
    rows = connection.execute(
        named_query("first_observations"),
        {
            "venues": [venue for venue, _ in new],
            "instruments": [instrument for _, instrument in new],
        },
    ).fetchall()
    starts = {}
    for venue, instrument, from_at, seen, traded in rows:
        starts[venue, instrument] = from_at
        if from_at > BEGINNING and seen is not None:
            first_day = (seen - HOUR_MICROSECONDS) // DAY_MICROSECONDS * DAY_MICROSECONDS
            trail = max(
                first_day - TRAIL_MICROSECONDS, traded // DAY_MICROSECONDS * DAY_MICROSECONDS
            )
            starts[venue, instrument] = min(first_day, trail, from_at)
    return starts
