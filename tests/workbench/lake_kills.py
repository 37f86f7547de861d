"""A lake whose writer, workers and scheduler are killed at any instant, beside a file in peace.

Belongs here: what is run, whom a kill hits, how lake and file differ. Does not belong here: how
many kills there are (tests and ``bench/lake_kills.py`` say).

A round is one hour more of a small market. The file takes it once. On the lake it is begun and
killed some times, then run to its end: load, build on the cluster or on threads, delete what
nothing reads.
"""

import datetime as dt
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any, Self

from distributed import Client

from jobs.build import window_store
from jobs.collect.landing import land
from jobs.engines.engine_choice import THREADS
from jobs.errors import EngineUnavailable
from jobs.pipeline import build_maps, load
from jobs.settings import Settings
from jobs.writer import open_writer
from sources.records import Batch
from warehouse import storage
from workbench import (
    DAYS,
    FEW,
    HOUR,
    INSTANTS,
    MARKET,
    START,
    differences,
    instants,
    records_of,
    where,
)
from workbench.forking import Call, Forks
from workbench.killed import Killed
from workbench.lakes import Lake, moved
from workbench.shards import killable_cluster

BEGUN = 8
"""Hours since START that both homes have before the first kill."""

WHOM = ("writer", "writer", "writer", "worker", "worker", "plain", "plain", "plain", "scheduler")
"""Whom kills hit, in turns: the writer of a build on Dask, ..., the writer of one on threads."""

KILLS_AN_HOUR = 3

_CLUSTER_IS_GONE = 3
_LAST = 24 * DAYS - 1
_ESTIMATORS = FEW[:1]


def run_an_hour(
    home: str, lake: list[str], on: str, hour: int, mutant: bool, inserts: int | None
) -> int:
    """Load, build up to an hour since START and delete what nothing reads, in this process.

    With some inserts the process kills itself after so many of the build.
    """
    settings = Settings(home=Path(home), warehouse=lake[0], data=lake[1], on=on, threads=1)
    # Small as they are, rows of shards go into files of the workers.
    storage._FEWEST_SHARED_BYTES = 1
    _disturb_inserts(mutant, inserts)
    load(settings)
    try:
        report = build_maps(settings, as_of=START + hour * HOUR, estimators=_ESTIMATORS)
    except EngineUnavailable:
        return _CLUSTER_IS_GONE
    assert report.left_out == {}
    with open_writer(settings) as connection:
        storage.tidy(connection, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    return 0


def _disturb_inserts(mutant: bool, inserts: int | None) -> None:
    """Commit each insert of a build by itself, where there is a mutant; die after some."""
    insert = window_store.insert_parts
    number = count(1)

    def insert_disturbed(connection: Any, name: str, parts: Any) -> int:
        row_count = insert(connection, name, parts)
        if mutant:
            connection.execute("commit; begin transaction")
        if next(number) == inserts:
            os.kill(os.getpid(), signal.SIGKILL)
        return row_count

    window_store.insert_parts = insert_disturbed


_TORN = {
    **{
        f"{name} has hours that no build has finished": (
            f"select count(*) from {name} "
            "where as_of > (select max(built_until_at) from meta.built_asset)"
        )
        for name in ("derived.heatmap", "derived.series_hour", "derived.leverage_exposure")
    },
    "maps that are there twice": (
        "select count(*) - count(distinct (asset, as_of, provider, venue, side)) "
        "from derived.heatmap"
    ),
    "rows of files that are not in the ledger": (
        "select count(*) from raw.ohlcv where not exists (from meta.landing_file)"
    ),
}
"""What is half done, and how many rows of it there are."""


@dataclass(slots=True)
class KilledLake(Killed):
    """What killing on a lake came to; differences are all that is wrong in the end.

    Parameters
    ----------
    hours : int
        Hours since START that both homes have in the end.
    torn : list of str
        What was half done after a kill.
    unknown : set of str
        Files that are there and the lake does not know, or the reverse, in the end.
    """

    hours: int = BEGUN
    torn: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)


class KillableCluster:
    """A cluster of this machine whose processes can be killed; use as a context manager."""

    def __init__(self) -> None:
        self._processes = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.close()

    def start(self) -> None:
        """Start it, or another one in its place."""
        self._processes.close()
        opened = killable_cluster(workers=2, threads=1)
        self._scheduler, self.address = self._processes.enter_context(opened)
        with Client(self.address) as client:
            client.wait_for_workers(2, timeout=120)

    def kill_scheduler(self) -> None:
        """Kill the scheduler."""
        self._scheduler.kill()
        self._scheduler.wait()

    def kill_worker(self, rng: random.Random) -> None:
        """Kill one of the workers."""
        with Client(self.address) as client:
            process_ids = client.run(os.getpid, on_error="ignore")
        with suppress(ProcessLookupError):
            os.kill(rng.choice(list(process_ids.values())), signal.SIGKILL)


def kill_on_lake(
    folder: Path,
    lake: Lake,
    *,
    kills: int,
    seed: int,
    whom: tuple[str, ...] = WHOM,
    mutant: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> KilledLake:
    """Kill what works on a lake that is empty yet until it was hit so often; compare with a file.

    Parameters
    ----------
    folder : Path
        Where homes are made.
    lake : Lake
        The lake, its data in a folder.
    kills : int
        How many are wanted.
    seed : int
        Of instants and victims.
    whom : tuple of str
        Whom kills hit, in turns.
    mutant : bool
        Whether a defect is put in: files of a window are registered before its transaction ends.
    report : callable
        Called with a line after each hour.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        forks = stack.enter_context(Forks(__name__))
        is_on_dask = set(whom) != {"plain"}
        cluster = stack.enter_context(KillableCluster()) if is_on_dask else None
        pair = _Pair(folder, lake, forks, cluster, random.Random(seed), mutant)  # noqa: S311
        victims = cycle(whom)
        while True:
            pair.land()
            while pair.kills_this_hour < min(kills, KILLS_AN_HOUR):
                pair.kill(next(victims))
            pair.finish()
            found = pair.found
            report(f"{found.hours} h, {dict(found.kills)}, a run takes {pair.seconds}")
            if found.kills.total() >= kills or found.torn or found.hours == _LAST:
                break
            found.hours += 1
        pair.compare()
    found.seconds = time.monotonic() - began
    return found


class _Pair:
    """The two homes at one hour."""

    def __init__(
        self,
        folder: Path,
        lake: Lake,
        forks: Forks,
        cluster: KillableCluster | None,
        rng: random.Random,
        mutant: bool,
    ) -> None:
        self.found = KilledLake()
        # How long a run to the end takes, by engine [s]: before the first a guess.
        self.seconds = {"plain": 3.0, "dask": 3.0}
        self.kills_this_hour = 0
        self._calm = Settings(home=folder / "calm", threads=1)
        self._home = lake.settings(folder / "home")
        self._folder, self._lake, self._forks, self._cluster = folder, lake, forks, cluster
        self._rng, self._mutant = rng, mutant
        self._records = records_of(MARKET)
        self._landed = float("-inf")

    def land(self) -> None:
        """Land the hour in both homes, and take it into the one in peace."""
        hour = self.found.hours
        for kind, table in self._records.items():
            if kind in INSTANTS:
                at = instants(table, kind)
                table = where(table, (at >= self._landed) & (at < hour))
            elif self._landed >= 0:
                continue
            for home in (self._calm, self._home):
                if len(table):
                    land(Batch(kind, table), home.landing, f"until-{hour}-{kind}")
        self._landed = hour
        self.kills_this_hour = 0
        load(self._calm)
        build_maps(self._calm, as_of=START + hour * HOUR, estimators=_ESTIMATORS)

    def _start(self, engine: str) -> Call:
        on = self._cluster.address if self._cluster and engine == "dask" else THREADS
        place = [self._lake.address, self._lake.data]
        return self._forks.start(
            __name__, "run_an_hour", str(self._home.home), place, on, self.found.hours,
            self._mutant, None,
        )  # fmt: skip

    def kill(self, victim: str) -> None:
        """Begin the hour on the lake and kill someone at work; look at what that leaves."""
        engine = "plain" if victim == "plain" else "dask"
        call = self._start(engine)
        time.sleep(self._rng.uniform(0.02, 0.9) * self.seconds[engine])
        if self._cluster is None or victim in ("plain", "writer"):
            is_hit = call.kill()
        elif victim == "worker":
            self._cluster.kill_worker(self._rng)
            is_hit = True
            assert call.end() == 0
        else:
            self._cluster.kill_scheduler()
            is_hit = call.end() == _CLUSTER_IS_GONE
            self._cluster.start()
        self.found.kills[victim] += is_hit
        self.kills_this_hour += 1
        self.found.torn += torn(self._home, self._lake)

    def finish(self) -> None:
        """Run the hour to its end on the lake, by one engine after the other."""
        engine = "dask" if self._cluster and self.found.hours % 2 else "plain"
        began = time.monotonic()
        assert self._start(engine).end() == 0
        self.seconds[engine] = time.monotonic() - began

    def compare(self) -> None:
        """Compare the homes, once what a dead writer's workers went on with is deleted."""
        self.finish()
        there = moved(self._home, self._folder / "moved.duckdb")
        schemas = ("raw", "derived", "intermediate")
        found = differences(self._calm.warehouse, there, schemas=schemas)
        on_disk = {path.name for path in Path(self._lake.data).rglob("*.parquet")}
        self.found.unknown = on_disk ^ known_files(self._lake)
        self.found.differences = [
            *self.found.torn,
            *(f"{name}: {rows}" for name, rows in found.items()),
            *sorted(self.found.unknown),
        ]


def torn(settings: Settings, lake: Lake) -> list[str]:
    """Return what is half done on a lake that nobody writes at present."""
    with open_writer(settings, wait_seconds=30) as connection:
        found = [
            text for text, sql in _TORN.items() if (connection.execute(sql).fetchone() or (0,))[0]
        ]
    twice = lake.server.run(
        lake.database,
        "select path from liqheat_lake.ducklake_data_file where end_snapshot is null "
        "group by path having count(*) > 1",
    )
    return found + [f"{path} is registered twice" for (path,) in twice]


def known_files(lake: Lake) -> set[str]:
    """Return the names of the files that a lake knows; each is unique."""
    rows = lake.server.run(
        lake.database,
        "select path from liqheat_lake.ducklake_data_file union all "
        "select path from liqheat_lake.ducklake_delete_file union all "
        "select path from liqheat_lake.ducklake_files_scheduled_for_deletion",
    )
    return {path.rpartition("/")[2] for (path,) in rows}
