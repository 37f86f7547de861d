"""A home whose jobs are killed at any instant and run again, beside one that nothing disturbs.

Belongs here: what each job works on, killing it, comparing the two homes. Does not belong here: how
many kills there are (tests and ``bench/kills.py`` say).

A round is six hours of a small market. In each round both homes run the same jobs for the same
instant: the disturbed home runs each a few times until it is killed, then once to its end.
"""

import datetime as dt
import hashlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from standin import DAY, Standin, serving, synthetic_market

from jobs.collect.landing import land
from jobs.collect.scope import Effort
from jobs.runs import read_runs, runs_folder
from jobs.settings import Settings
from sources.records import SCHEMAS, Batch
from sources.universe import Universe
from sources.venues.pacer import RequestPolicy
from warehouse.contracts import public_relations
from warehouse.migrate import migration_files
from warehouse.published_versions import PUBLISHED_FILE
from workbench import differences, table_of
from workbench.forking import Forks
from workbench.killed import Killed
from workbench.killed_archive import BEGUN, ROUND, write_archive

PROJECT = Path(__file__).parents[2]
MOST_ROUNDS = 60

# The jobs of a round: by themselves, or after a rebuild by the schedule.
BY_HAND = ("import", "ingest", "load", "build", "check", "publish", "maintain", "migrate")
BY_SCHEDULE = ("rebuild", "import", "ingest", "schedule")

# One deployment, due at once; its hour is given, so that both homes build the same.
_PREFECT_YAML = """
deployments:
  - name: hourly
    entrypoint: {project}/flows/hourly.py:hourly
    parameters: {{as_of: "{as_of}"}}
    schedules: [{{interval: 86400}}]
    concurrency_limit: {{limit: 1, collision_strategy: ENQUEUE}}
"""
_SCHEDULE = "import typer; from cli.schedule import schedule_command; typer.run(schedule_command)"
_PATIENCE_SECONDS = 300.0
# A check that is run again looks at fewer hours than the one that was killed after it: what it says
# of all of them together may differ, what it says of an hour may not.
_COMPARED = {"quality.check_results": "scope <> 'all'"}
_MIGRATED = "select name from meta.schema_migrations order by name"
_RUNNING = "select job from meta.pipeline_run where status = 'running'"
_QUICK = RequestPolicy(first_delay_seconds=0.001, longest_delay_seconds=0.01, concurrency=16)


def instant(milliseconds: int) -> dt.datetime:
    """Return an instant, UTC."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


def run_job(job: str, home: str, archive: str, venue_url: str, now: int) -> None:
    """Run a job for an instant [ms] in this process."""
    at = instant(now)
    hour = at.replace(minute=0, second=0)
    settings = Settings(home=Path(home), threads=2, venue_url=venue_url, history_days=1)
    # Each job's modules are its own: what one imports is not waited for by the others.
    if job == "import":
        from jobs.collect.imports import import_files

        folder = Path(archive)
        mapping = str(folder.parent / "bars.yaml")
        import_files(settings, [folder], ingested_at=at, mapping=mapping)
    elif job == "ingest":
        from jobs.collect.ingest import ingest

        universe = Universe(venues=("binance",), assets=("BTC",))
        ingest(settings, clock=lambda: at, universe=universe, effort=Effort(policy=_QUICK))
    elif job == "check":
        from jobs.check.run_suites import check

        check(settings, as_of=hour)
    elif job == "maintain":
        from jobs.maintain import maintain

        # What was loaded is stamped by this machine's clock, years after the market's perhaps.
        maintain(settings, clock=lambda: at, landing_days=-36_500, is_fetching=False)
    elif job == "schedule":
        from jobs.hourly import run_hour

        run_hour(settings, as_of=hour)
    else:
        from jobs import pipeline
        from jobs.publish.publish import publish

        steps: dict[str, Callable[[], object]] = {
            "load": lambda: pipeline.load(settings),
            "build": lambda: pipeline.build_maps(settings, as_of=hour),
            "publish": lambda: publish(settings, as_of=hour),
            "rebuild": lambda: pipeline.rebuild(settings),
            "migrate": lambda: pipeline.load(Settings(home=older_home(Path(home)), threads=2)),
        }
        steps[job]()


def back_fill(home: str, venue_url: str, start: int, end: int) -> None:
    """Make good what is missing between two instants [ms], one call at a time, each landed."""
    from jobs.collect.ingest import backfill
    from sources.venues import rounds

    rounds.ROWS_PER_LANDING = 1
    backfill(
        Settings(home=Path(home), threads=1, venue_url=venue_url, history_days=1),
        clock=lambda: instant(end),
        start=instant(start),
        universe=Universe(venues=("binance",), assets=("BTC",)),
        effort=Effort(600.0, replace(_QUICK, concurrency=1)),
    )


def land_without_end(folder: str) -> None:
    """Land the same large table under one name after the other."""
    rows = 200_000
    table = pa.table(
        {
            field.name: ["text"] * rows
            if pa.types.is_string(field.type)
            else pa.array([1] * rows).cast(pa.int64()).cast(field.type)
            for field in SCHEMAS["sentiment"]
        },
        schema=SCHEMAS["sentiment"],
    )
    for number in itertools.count():
        land(Batch("sentiment", table), Path(folder), f"{number:05d}")


def older_home(home: Path) -> Path:
    """Return the folder of the home of an earlier release that lies beside a home."""
    return home.with_name(f"{home.name}-older")


def write_older_home(path: Path) -> None:
    """Write a warehouse as the first release left it, with open interest that is yet to change."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'")
        for migration in migration_files():
            if migration.name >= "0007":
                break
            text = migration.read_text()
            connection.execute(text)
            connection.execute(
                "insert into meta.schema_migrations values (?, ?, ?)",
                [migration.name, hashlib.sha256(text.encode()).hexdigest(), instant(BEGUN)],
            )
        connection.execute(
            "insert into raw.open_interest "
            "select venue, 'BTC/USDT:USDT', timestamptz '2026-01-01' + n * interval 1 minute, "
            "1000 + n, 1000 + n, 'base', null, null, 'x', timestamptz '2026-01-01' "
            "from range(100000) as numbers(n), "
            "(values ('kucoinfutures'), ('bybit'), ('hyperliquid')) as venues(venue)"
        )


@dataclass(slots=True)
class KilledJobs(Killed):
    """What killing jobs came to; differences are what only one of the homes holds.

    Parameters
    ----------
    rounds : int
        Rounds run by both homes.
    rows : int
        Rows compared in the warehouse.
    """

    rounds: int = 0
    rows: int = 0


def kill_jobs(
    folder: Path,
    *,
    count: int,
    seed: int,
    rounds: Sequence[Sequence[str]] = (BY_HAND, BY_SCHEDULE),
    kills_each: int = 2,
    report: Callable[[str], None] = lambda _: None,
) -> KilledJobs:
    """Return what killing jobs came to; it ends with the round in which there were enough kills.

    Parameters
    ----------
    folder : Path
        Where the two homes are made.
    count : int
        Kills wanted.
    seed : int
        Of the instants at which jobs are killed.
    rounds : sequence of sequence of str
        The jobs of each round, taken in turn.
    kills_each : int
        Kills of a job before it may end; the schedule, which takes long to start, is killed once.
    report : callable
        Takes a line on each round.
    """
    began = time.monotonic()
    killed = KilledJobs()
    market = synthetic_market(
        start=BEGUN - 2 * DAY, end=BEGUN + MOST_ROUNDS * ROUND, venues=("binance",),
        assets={"BTC": 7e4}, inverse_assets=(),
    )  # fmt: skip
    write_archive(folder / "archive", MOST_ROUNDS)
    write_older_home(folder / "older.duckdb")
    standin = Standin(market, now=BEGUN, enforce_limits=False)
    # The job's own module comes last: others load what they need when they need it.
    modules = ["jobs.pipeline", "jobs.collect.ingest", "jobs.collect.imports", "jobs.maintain"]
    names = {job for jobs in rounds for job in jobs}
    if names & {"check", "schedule"}:
        modules += ["jobs.check.run_suites", "quality.validation"]
    if "ingest" in names:
        modules.append("ccxt.async_support")
    with serving(standin), Forks(__name__, *modules) as forks:
        pair = _Pair(folder, standin.base_url, forks, random.Random(seed))  # noqa: S311
        while killed.kills.total() < count and killed.rounds < MOST_ROUNDS:
            standin.now = pair.now = BEGUN + killed.rounds * ROUND + 7_000
            pair.prepare(killed.rounds)
            for job in rounds[killed.rounds % len(rounds)]:
                killed.kills[job] += pair.run(job, kills_each)
            killed.rounds += 1
            killed.differences = [f"{name}: {rows}" for name, rows in pair.differences().items()]
            report(f"round {killed.rounds}: {killed.kills.total()} kills")
            if killed.differences:
                break
        killed.rows = pair.row_count()
    killed.seconds = time.monotonic() - began
    return killed


class _Pair:
    """The two homes, at one round."""

    def __init__(self, folder: Path, venue_url: str, forks: Forks, rng: random.Random) -> None:
        self.folder = folder
        self.now = 0
        self.calm, self.killed = folder / "calm", folder / "killed"
        self._venue_url = venue_url
        self._forks = forks
        self._rng = rng
        self._archive = folder

    def prepare(self, number: int) -> None:
        """Put before both homes what the jobs of a round are to work on."""
        self._archive = self.folder / "archive" / f"{number:03d}"
        for home in (self.calm, self.killed):
            home.mkdir(exist_ok=True)
            (home / "universe.yaml").write_text("venues: []\n")
            at = instant(self.now)
            rows = [
                {
                    "index_name": "soak",
                    "observed_at": at + dt.timedelta(seconds=n),
                    "index_value": n,
                }
                for n in range(2000)
            ]
            table = table_of("sentiment", rows, ingested_at=at)
            land(Batch("sentiment", table), home / "landing", f"soak-{number:03d}")

    def _put_older_homes(self) -> None:
        for home in (self.calm, self.killed):
            older = older_home(home) / "warehouse.duckdb"
            older.parent.mkdir(exist_ok=True)
            older.with_name(f"{older.name}.wal").unlink(missing_ok=True)
            older.write_bytes((self.folder / "older.duckdb").read_bytes())

    def run(self, job: str, kills: int) -> int:
        """Run a job in both homes; return how often it was killed at work in one of them."""
        if job == "migrate":
            self._put_older_homes()
        began = time.monotonic()
        self._start(job, self.calm).end()
        # Hardly any kill is to come after the end, when nothing is left for the next one either.
        longest = 0.8 * (time.monotonic() - began)
        if job == "schedule":
            count = self._kill_schedule(longest)
        else:
            count = 0
            for _ in range(kills):
                call = self._start(job, self.killed)
                time.sleep(self._rng.uniform(0.0, longest))
                count += call.kill()
        self._start(job, self.killed).end()
        return count

    def _start(self, job: str, home: Path) -> Any:
        return self._forks.start(
            __name__, "run_job", job, str(home), str(self._archive), self._venue_url, self.now
        )

    def _kill_schedule(self, longest: float) -> int:
        """Kill the schedule while it does the hour, then let another do it; return 1."""
        hour = instant(self.now).replace(minute=0, second=0)
        before = time.time()
        with self._schedule(hour) as process:
            self._wait_for_run(process, "load", before, status=None)
            time.sleep(self._rng.uniform(0.0, longest))
            if self._rng.random() < 0.5:
                process.kill()
                process.wait()
        before = time.time()
        with self._schedule(hour) as process:
            self._wait_for_run(process, "publish", before, status="done")
            process.send_signal(signal.SIGTERM)
            if process.wait(_PATIENCE_SECONDS) != 0:
                raise RuntimeError("the schedule did not stop when it was to")
        return 1

    @contextmanager
    def _schedule(self, hour: dt.datetime) -> Iterator[subprocess.Popen[bytes]]:
        """Run the schedule around the block; what of it is left after it is killed."""
        file = self.folder / "prefect.yaml"
        file.write_text(_PREFECT_YAML.format(project=PROJECT, as_of=hour.isoformat()))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT")
        }
        with (self.folder / "schedule.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _SCHEDULE, "--file", str(file)],
                cwd=PROJECT,
                env={
                    **environment,
                    "LIQHEAT_HOME": str(self.killed),
                    "LIQHEAT_THREADS": "2",
                    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _wait_for_run(
        self, process: subprocess.Popen[bytes], job: str, since: float, status: str | None
    ) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        folder = runs_folder(Settings(home=self.killed))
        while time.monotonic() < deadline and process.poll() is None:
            if any(
                run.job == job
                and run.started_at.timestamp() >= since
                and status in (None, run.status)
                for run in read_runs(folder)
            ):
                return
            time.sleep(0.05)
        raise RuntimeError(
            f"the schedule ran no {job}:\n{(self.folder / 'schedule.log').read_text()[-4000:]}"
        )

    def differences(self) -> dict[str, Any]:
        """Return what differs between the homes."""
        homes = [Settings(home=self.killed), Settings(home=self.calm)]
        warehouses = [settings.warehouse for settings in homes]
        older = [older_home(settings.home) / "warehouse.duckdb" for settings in homes]
        readers = [settings.published / PUBLISHED_FILE for settings in homes]
        schemas = ("raw", "intermediate", "derived", "marts", "quality")
        published = sorted({relation.schema for relation in public_relations()})
        found: dict[str, Any] = {
            **differences(*warehouses, schemas=schemas, conditions=_COMPARED),
            **{
                f"older home, {name}": rows
                for name, rows in differences(*older, schemas=("raw",)).items()
            },
            **{
                f"published {name}": rows
                for name, rows in differences(
                    *readers, schemas=published, conditions=_COMPARED
                ).items()
            },
        }
        lists: dict[str, list[Any]] = {
            "published Parquet": [_parquet_rows(settings) for settings in homes],
            "older home, migrations": [_rows_of(path, _MIGRATED) for path in older],
            # What is still to be done, and who says that he is doing it.
            **{
                name: [_rows_of(path, f"from {name} order by all") for path in warehouses]
                for name in ("meta.pending_build", "meta.pending_publish", "meta.pending_file")
            },
            "running": [_rows_of(path, _RUNNING) for path in warehouses],
        }  # fmt: skip
        found |= {name: pair for name, pair in lists.items() if pair[0] != pair[1]}
        return found

    def row_count(self) -> int:
        """Return the rows of the tables that are compared, of the home that nothing disturbed."""
        ((count,),) = _rows_of(
            self.calm / "warehouse.duckdb",
            "select sum(estimated_size)::bigint from duckdb_tables() "
            "where schema_name in ('raw', 'intermediate', 'derived', 'quality')",
        )
        return int(count)


def _rows_of(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _parquet_rows(settings: Settings) -> list[tuple[str, int]]:
    """Return the rows of each published Parquet file by its place."""
    folder = settings.published / "parquet"
    return [
        (str(path.relative_to(folder)), pq.read_metadata(path).num_rows)
        for path in sorted(set(folder.rglob("*.parquet")) - set(folder.glob("published_*/*/*")))
    ]
