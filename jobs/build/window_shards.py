"""A window of a batch, and the shards it is cut into: some assets each, with all that they read.

Belongs here: cutting a window into shards and joining what became of them. Does not belong here:
reading a window, and replaying a shard (``window_replay``). Instants are int64 microseconds, UTC.
"""

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from jobs.build.build_plan import BuildBatch
from jobs.build.path_records import AssetPath, PathInputs
from jobs.build.replay_inputs import InstrumentBars
from jobs.build.replay_records import Series
from jobs.build.shard_rows import TableRows, rows_of_assets
from jobs.engines.shard_engine import LostShard, name_span
from jobs.instants import to_instant
from transforms.ledger.ledger_fit import LedgerFit
from warehouse.shared_files import SharedPlace


@dataclass(frozen=True, slots=True)
class WindowBars:
    """The bars of one window.

    Parameters
    ----------
    start, end : int
        The window (start, end] [microseconds].
    bars, ahead : dict of (venue, instrument) to BarColumns
        Bars that end in it, and bars after it where a hole in open interest is open at its end.
    paths : dict of str to PathInputs
        What the models of reference paths read besides, by asset.
    """

    start: int
    end: int
    bars: InstrumentBars
    ahead: InstrumentBars
    paths: dict[str, PathInputs]

    @property
    def bar_count(self) -> int:
        """Number of bars that end in the window."""
        return sum(map(len, self.bars.values()))

    @property
    def fits(self) -> list[LedgerFit]:
        """The fits of ledgers that hold in it."""
        return [fit for path in self.paths.values() for fits in path.fits.values() for fit in fits]

    def part(self, batch: BuildBatch) -> "WindowBars":
        """Return what a part of the batch reads of it."""
        keys = batch.contracts
        return WindowBars(
            self.start,
            self.end,
            {key: bars for key, bars in self.bars.items() if key in keys},
            {key: bars for key, bars in self.ahead.items() if key in keys},
            {asset: path for asset, path in self.paths.items() if asset in batch.tasks},
        )


@dataclass(frozen=True, slots=True)
class WindowShard:
    """Some assets of a batch over a window: all that their replay reads.

    Parameters
    ----------
    batch : BuildBatch
        The assets; their series and paths are as they are where the window begins.
    window : WindowBars
        Their bars.
    place : SharedPlace, optional
        Where whoever replays it can store its rows; None where only the writer can.
    """

    batch: BuildBatch
    window: WindowBars
    place: SharedPlace | None = None

    @property
    def label(self) -> str:
        """The first assets and the hours."""
        start, end = to_instant(self.window.start), to_instant(self.window.end)
        return name_span(self.batch.assets, start, end)


@dataclass(frozen=True, slots=True)
class ReplayedShard:
    """What a replay made of a shard.

    Parameters
    ----------
    tables : dict of str to list of pyarrow.Table or ShardFile
        Rows by table, or files of them.
    series : list of Series
        Its series as they are at the end of the window.
    paths : dict of str to AssetPath
        Its reference paths, likewise.
    """

    tables: TableRows
    series: list[Series]
    paths: dict[str, AssetPath]


def cut_shards(
    batch: BuildBatch, window: WindowBars, count: int, place: SharedPlace | None = None
) -> list[WindowShard]:
    """Return a window as shards of whole assets with about as many bars each.

    Parameters
    ----------
    batch : BuildBatch
        The batch the window belongs to.
    window : WindowBars
        The window.
    count : int
        Most shards wanted.
    place : SharedPlace, optional
        Where those who replay them can store their rows.
    """
    if count == 1:
        return [WindowShard(batch, window, place)]
    bars: dict[str, int] = dict.fromkeys(batch.tasks, 0)
    for key, asset in batch.contracts.items():
        bars[asset] += len(window.bars.get(key, ()))
    shares: list[tuple[int, int, list[str]]] = [
        (0, number, []) for number in range(min(count, len(bars)))
    ]
    # The largest asset left goes to the smallest share; at the end the large shares go first.
    for asset in sorted(bars, key=lambda asset: (-bars[asset], asset)):
        size, number, assets = shares[0]
        heapq.heapreplace(shares, (size + bars[asset], number, [*assets, asset]))
    parts = [batch.part(assets) for _, _, assets in sorted(shares, key=lambda share: -share[0])]
    return [
        WindowShard(part, window.part(part), _named(place, batch, window, number))
        for number, part in enumerate(parts)
    ]


def _named(
    place: SharedPlace | None, batch: BuildBatch, window: WindowBars, number: int
) -> SharedPlace | None:
    """Return the place with names for the files of a shard: the run, the window's end, a number."""
    if place is None:
        return None
    return place.named(f"{batch.run_id}-{to_instant(window.end):%Y%m%dT%H%M}-{number:03d}")


def join_shards(
    connection: DuckDBPyConnection,
    batch: BuildBatch,
    window: WindowBars,
    outcomes: Sequence[ReplayedShard | LostShard[WindowShard]],
) -> tuple[WindowBars, TableRows]:
    """Return a window and its rows, without the assets of lost shards.

    The batch's series and paths advance, and its assets of lost shards are left out from here on.
    """
    tables: TableRows = defaultdict(list)
    for outcome in outcomes:
        if isinstance(outcome, LostShard):
            batch.leave_out(outcome.shard.batch.assets, str(outcome))
            continue
        batch.take_over(outcome.series, outcome.paths)
        for name, parts in outcome.tables.items():
            tables[name] += parts
    return of_batch(connection, batch, window, tables)


def of_batch(
    connection: DuckDBPyConnection, batch: BuildBatch, window: WindowBars, tables: TableRows
) -> tuple[WindowBars, TableRows]:
    """Return what a window has of the assets that are still in the batch, and its rows of them."""
    if not batch.left_out:
        return window, tables
    return window.part(batch), rows_of_assets(connection, tables, batch.assets)
