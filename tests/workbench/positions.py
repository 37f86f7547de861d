"""The collector of positions beside a stand-in that lives at speed, and what came of it.

Belongs here: both processes, their common clock, the measured map held against the true book. Does
not belong here: how long it runs and what is good enough (``bench/positions.py`` says).

What is measured is measured on the other side: weights and the age of states by the stand-in,
which counts what it sends; the true map from its book. Of the collector only what landed is read.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow.parquet as pq
from standin import Population
from standin.population import wording
from standin.shared_clock import SharedClock

from jobs.positions.account_book import AccountBook
from jobs.positions.book_records import FoundAccount, SweptState
from sources.accounts.info_client import CoinContext, read_contexts
from sources.accounts.states import read_state
from transforms.disagreement import measure_disagreement
from transforms.grid import FloatArray, bin_of_price
from transforms.maps import N_WINDOW_BINS, window_first_bin

TESTS = Path(__file__).resolve().parents[1]
LARGE_USD = 100_000.0
NEAR = 0.03  # of the mark price
HOUR_MS = 3_600_000
BATCH = 500  # states a transaction
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScaledClock:
    """Time that goes by so many times as fast as the machine's, the same in all processes.

    Parameters
    ----------
    start : int
        Time at the anchor [ms].
    anchor : float
        Reading of the machine's monotonic clock at `start` [s].
    speed : float
        Seconds of this clock in one of the machine's.
    """

    start: int
    anchor: float
    speed: float

    def now(self) -> datetime:
        passed = (time.monotonic() - self.anchor) * self.speed
        return EPOCH + timedelta(milliseconds=self.start, seconds=passed)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0) / self.speed)


class StandinProcess:
    """A stand-in with a population, in a process of its own."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(TESTS / "standin"), "--venues", "hyperliquid", *options],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.base_url = self._process.stdout.readline().strip()
        if not self.base_url:
            raise RuntimeError("the stand-in did not start; its error is above")

    def control(self, what: str, **fields: Any) -> dict[str, Any]:
        """Steer the stand-in and return its state."""
        sent = json.dumps(fields).encode()
        with urllib.request.urlopen(f"{self.base_url}/_control/{what}", sent, timeout=60) as answer:  # noqa: S310  # loopback
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def resident_mb(self) -> float:
        return resident_mb(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def resident_mb(pid: int) -> float:
    """Return the memory a process holds [MB], 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return float(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process [s]."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Clock = ScaledClock | SharedClock


def time_of(clock: Clock) -> datetime:
    """Return what a clock shows."""
    return clock.now() if isinstance(clock, ScaledClock) else instant(clock.milliseconds)


def collect(home: Path, url: str, clock: Clock, seconds: float | None, **policy: float) -> None:
    """Collect positions into a home; to be called in a process of its own."""
    from jobs.positions.collector import collect_positions
    from jobs.positions.collector_policy import CollectorPolicy
    from jobs.settings import Settings

    settings = Settings(home=home, positions_url=url)
    collect_positions(
        settings,
        clock=lambda: time_of(clock),
        sleep=clock.sleep,
        monotonic=lambda: time_of(clock).timestamp(),
        seconds=seconds,
        policy=CollectorPolicy(**policy),  # type: ignore[arg-type]
    )


@contextmanager
def collecting(
    home: Path, url: str, clock: Path, speed: float, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Collect in a process of its own by a shared clock, until the end of the block."""
    script = (
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(TESTS)!r}); sys.path.insert(0, {str(TESTS.parent)!r})\n"
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from standin.shared_clock import SharedClock\n"
        "from workbench.positions import collect\n"
        f"clock = SharedClock(Path({str(clock)!r}), {speed!r})\n"
        f"collect(Path({str(home)!r}), {url!r}, clock, None)\n"
    )
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=output, stderr=output, cwd=home.parent
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


# -- the true book, and the map that landed


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the true book, as the stand-in wrote it.

    Arrays are of shape (n_positions,), in units of the asset; `assets` names the coins.
    """

    at: int
    assets: list[str]
    columns: dict[str, Any]
    mark: FloatArray  # shape (n_coins,), USD per unit of the asset

    @property
    def usd(self) -> FloatArray:
        c = self.columns
        return np.asarray(c["quantity"] * self.mark[c["coin"]])

    @property
    def distance(self) -> FloatArray:
        """Return |liquidation price / mark - 1|, infinite where there is none."""
        c = self.columns
        ratio = c["liquidation_price"] / self.mark[c["coin"]]
        return np.where(np.isnan(ratio), np.inf, np.abs(ratio - 1.0))

    @property
    def age_seconds(self) -> FloatArray:
        """Return how long ago each position's state was last sent; infinite if never."""
        answered = self.columns["answered_at"]
        return np.where(answered > 0, (self.at - answered) / 1000, np.inf)

    @property
    def is_named(self) -> np.ndarray:
        """Return whether a list or a trade had named each position's account by then.

        On a builder's dex only a trade there does: no list says who holds what where.
        """
        return np.asarray(self.columns["named_at"] > 0)

    @property
    def is_of_builder(self) -> np.ndarray:
        """Return whether each position is on a builder's dex."""
        return self.is_builder_coin[self.columns["coin"]]

    @property
    def is_builder_coin(self) -> np.ndarray:
        """Return whether each coin is one of a builder's dex."""
        return np.array([":" in str(name) for name in self.columns["names"]])


def read_hours(folder: Path) -> list[Hour]:
    """Return the true book of every full hour but the first, at which nobody can know anything."""
    return [_read_hour(path) for path in sorted(folder.glob("*.npz"))[1:]]


def _read_hour(path: Path) -> Hour:
    with np.load(path) as stored:
        columns = {name: stored[name] for name in stored.files}
    names = [str(name) for name in columns["names"]]
    # Coins on a thousand units are named with a small k; builders' coins are assets of their own.
    per_unit = np.array([1000.0 if name[0] == "k" and name[1].isupper() else 1.0 for name in names])
    assets = [
        name[1:] if times > 1 else name.upper().replace(":", "-")
        for name, times in zip(names, per_unit, strict=True)
    ]
    coin = columns["coin"]
    columns["quantity"] = columns["quantity"] * per_unit[coin]
    columns["liquidation_price"] = columns["liquidation_price"] / per_unit[coin]
    return Hour(int(columns["at"]), assets, columns, columns["mark"] / per_unit)


def true_windows(hour: Hour) -> tuple[FloatArray, FloatArray]:
    """Return the long and the short map of every coin around its mark, value at the price [USD]."""
    first = window_first_bin(hour.mark)
    windows = np.zeros((2, len(hour.mark), N_WINDOW_BINS))
    c = hour.columns
    # A position that no price liquidates is not in a map.
    has = np.isfinite(c["liquidation_price"])
    coin, price = c["coin"][has], c["liquidation_price"][has]
    place = bin_of_price(price) - first[coin]
    side = np.where(c["is_long"][has], 0, 1)
    inside = (place >= 0) & (place < N_WINDOW_BINS)
    at = (side[inside], coin[inside], place[inside])
    np.add.at(windows, at, (c["quantity"][has] * price)[inside])
    return windows[0], windows[1]


def landed_windows(landing: Path, hour: Hour) -> tuple[FloatArray, FloatArray] | None:
    """Return the same of the map that landed for the hour; None if none has."""
    as_of = EPOCH + timedelta(milliseconds=hour.at)
    name = f"{as_of:%Y%m%dT%H%M%SZ}"
    paths = [
        path for path in landing.rglob("*.parquet")
        if name in path.name and "provider_map" in str(path)
    ]  # fmt: skip
    if not paths:
        return None
    first = window_first_bin(hour.mark)
    windows = np.zeros((2, len(hour.mark), N_WINDOW_BINS))
    for path in paths:
        table = pq.read_table(path)
        number = {asset: n for n, asset in enumerate(hour.assets)}
        rows = table.select(["asset", "side", "price_low", "price_high", "value"]).to_pydict()
        coin = np.array([number.get(asset, -1) for asset in rows["asset"]])
        middle = np.sqrt(np.array(rows["price_low"]) * np.array(rows["price_high"]))
        place = bin_of_price(middle) - first[coin]
        side = np.array([0 if side == "long" else 1 for side in rows["side"]])
        inside = (coin >= 0) & (place >= 0) & (place < N_WINDOW_BINS)
        at = (side[inside], coin[inside], place[inside])
        np.add.at(windows, at, np.array(rows["value"])[inside])
    return windows[0], windows[1]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A measured map held against the true one, coin by coin.

    Arrays are of shape (n_coins,); `overlap` and `log_total` are of both sides together, NaN where
    a map is empty.
    """

    at: int
    true_usd: FloatArray
    overlap: FloatArray
    log_total: FloatArray
    measured_usd: FloatArray

    def take(self, chosen: np.ndarray) -> "Agreement":
        """Return the agreement of some coins."""
        arrays = (self.true_usd, self.overlap, self.log_total, self.measured_usd)
        return Agreement(self.at, *(array[chosen] for array in arrays))

    @property
    def weighted_overlap(self) -> float:
        """Return the mean overlap, coins weighted by what truly stands there.

        A coin whose measured map is empty counts as 0.
        """
        known = np.isfinite(self.overlap)
        return float(np.average(np.where(known, self.overlap, 0.0), weights=self.true_usd))

    @property
    def total_ratio(self) -> float:
        """Return what was measured over what stands, all coins together."""
        return float(self.measured_usd.sum() / self.true_usd.sum())


def compare(hour: Hour, landing: Path) -> Agreement | None:
    """Return how the landed map of an hour agrees with the true one; None without a map."""
    landed = landed_windows(landing, hour)
    if landed is None:
        return None
    true = true_windows(hour)
    n = len(hour.mark)
    # Entries 2 n and 2 n + 1 are the true and the measured map of coin n.
    pairs = [np.stack((one, other), axis=1).reshape(2 * n, -1)
             for one, other in zip(true, landed, strict=True)]  # fmt: skip
    found = measure_disagreement(
        pairs[0], pairs[1], np.repeat(hour.mark, 2), 2 * np.arange(n + 1), np.zeros(2 * n, np.int64)
    )
    return Agreement(
        hour.at,
        true[0].sum(1) + true[1].sum(1),
        found.overlap_ratio[:, 2],
        -found.scale_log_ratio[:, 2],
        landed[0].sum(1) + landed[1].sum(1),
    )


# -- the states of a population, without a collector


def store_states(book: AccountBook, people: Population, at: int) -> None:
    """Store the state of every account as the venue sends it and as we read it, stamped `at`."""
    swept = list(_states(people, at))
    for first in range(0, len(swept), BATCH):
        batch = swept[first : first + BATCH]
        found = [
            FoundAccount(one.account_id, bytes.fromhex(one.state.address[2:]), "list", at * 1000)
            for one in batch
            if one.state.dex == ""
        ]
        book.store(found, batch)


def _states(people: Population, at: int) -> Iterator[SweptState]:
    for account, address in enumerate(people.addresses):
        for dex in people.dexes:
            rows, wrap = wording.state_of(people, address, dex)
            if rows or not dex:
                state = read_state(wrap(rows, at), address, dex)
                yield SweptState(account, state, at * 1000, at * 1000)


def contexts_of(people: Population) -> dict[str, dict[str, CoinContext]]:
    """Return the contexts of all dexes as we read them."""
    found = {}
    for dex in people.dexes:
        universe, contexts = wording.contexts_of(people, dex)
        described = {"universe": universe, "marginTables": [], "collateralToken": 0}
        found[dex] = read_contexts([described, contexts], dex)
    return found


def instant(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 as an instant."""
    return EPOCH + timedelta(milliseconds=milliseconds)
