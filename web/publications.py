"""The newest publication, its readers, and who waits for the next one.

Belongs here: noticing that the link of the published file has moved, a small pool of locked readers
a version, and lending them. Does not belong here: what is read.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from warehouse.errors import NotPublished, QueryFailed, WarehouseError
from warehouse.read import Reader, ReadLimits, open_published
from web.catalogue import Catalogue, read_catalogue
from web.problem_details import busy, of_error, unpublished

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Statements that run at the same time; more only share the same cores.
READERS = 2

# Memory of one reader's database [MB], and the computing time of one statement [s]. The settings
# may ask for less. Two of them and Python stay below 400 MB.
_READER_MB = 32
_READER_SECONDS = 10.0

# What the first request of a page reads.
_READ_FIRST = (
    "liquidation_heatmap_arrays",
    "liquidation_bands_hourly",
    "liquidation_forecast_hourly",
    "asset_quality_hourly",
    "market_context_hourly",
    "touch_odds_arrays",
)

# How often the link is looked at, also after a failure, and how long a request waits for a reader
# [s].
_LOOK_SECONDS = 0.5
_REST_SECONDS = 10.0
_LEASE_SECONDS = 20.0

Identity = tuple[str, int, int, int]
"""Resolved path, inode, size and time of modification [ns] of a published file."""


def reader_limits(memory_mb: int, seconds: float) -> ReadLimits:
    """Return the limits of one reader of the server, given those of the settings."""
    return ReadLimits(min(memory_mb, _READER_MB), min(seconds, _READER_SECONDS), threads=1)


@dataclass(slots=True)
class Version:
    """One version of the published file with its idle readers.

    A reader keeps the version that it opened. Readers of a version that has been replaced close
    when they come back.
    """

    path: Path
    limits: ReadLimits
    catalogue: Catalogue
    _idle: list[tuple[AbstractContextManager[Reader], Reader]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_retired: bool = False

    @contextmanager
    def lend(self) -> Iterator[Reader]:
        """Lend a reader for the block; it is closed after a failure, or once the version is old."""
        with self._lock:
            context, reader = self._idle.pop() if self._idle else (None, None)
        if context is None or reader is None:
            context = open_published(self.path, limits=self.limits)
            reader = context.__enter__()
        is_usable = False
        try:
            yield reader
            is_usable = True
        finally:
            with self._lock:
                is_kept = is_usable and not self._is_retired and len(self._idle) < READERS
                if is_kept:
                    self._idle.append((context, reader))
            if not is_kept:
                context.__exit__(None, None, None)

    def warm_up(self) -> None:
        """Open all readers and have each load where the newest rows lie, before anybody waits."""
        with ExitStack() as lent:
            for _ in range(READERS):
                reader = lent.enter_context(self.lend())
                for relation in _READ_FIRST:
                    # One that an earlier release did not publish is missed where it is read.
                    with suppress(QueryFailed):
                        reader.execute(
                            f"select count(*) from marts.{relation} "
                            "where as_of = $as_of and asset = ''",
                            {"as_of": self.catalogue.newest_at},
                        ).fetchall()

    def retire(self) -> None:
        """Close idle readers; those on loan close when they come back."""
        with self._lock:
            self._is_retired = True
            idle, self._idle = self._idle, []
        for context, _ in idle:
            context.__exit__(None, None, None)


class Publications:
    """The newest publication and its readers.

    Parameters
    ----------
    link : Path
        The published file.
    limits : ReadLimits
        Of one reader.
    """

    def __init__(self, link: Path, limits: ReadLimits) -> None:
        self._link = link
        self._limits = limits
        self._identity: Identity | None = None
        self._version: Version | None = None
        self._replaced: Version | None = None
        self._fault: WarehouseError | None = None
        self._free = asyncio.Semaphore(READERS)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._in_use = 0
        self._changed = asyncio.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closing = False
        self.streams = 0
        """Pages that wait for the next publication."""

    @property
    def catalogue(self) -> Catalogue:
        """What the newest publication holds.

        Raises
        ------
        Refusal
            Nothing is published, or it cannot be read.
        """
        return self._current().catalogue

    @property
    def newest(self) -> Catalogue | None:
        """What the newest publication holds; None where nothing can be read."""
        return None if self._version is None else self._version.catalogue

    @property
    def fault(self) -> WarehouseError | None:
        """Why the newest publication cannot be read; None where it can."""
        return self._fault

    @property
    def is_closing(self) -> bool:
        """Whether the server is about to end."""
        return self._is_closing

    @property
    def readers_in_use(self) -> int:
        """Statements under way."""
        return self._in_use

    def _current(self) -> Version:
        if self._version is None:
            raise unpublished() if self._fault is None else of_error(self._fault)
        return self._version

    async def read(self, work: Callable[[Reader], T], *, of: str | None = None) -> T:
        """Return what some work reads from a publication, in a thread of its own.

        The reader goes back when the work returns: return rows or bytes, never the reader.

        Parameters
        ----------
        work : callable
            Takes a reader.
        of : str, optional
            The publication that was newest when the request came. By default the newest.

        Raises
        ------
        Refusal
            Nothing is published, all readers stay busy, or the statement failed.
        """
        version, replaced = self._current(), self._replaced
        if replaced is not None and of == replaced.catalogue.publication_id:
            version = replaced

        def run() -> T:
            with version.lend() as reader:
                return work(reader)

        await self._wait_for_turn()
        try:
            return await self._in_thread(run)
        except WarehouseError as exc:
            refusal = of_error(exc)
            if refusal.status >= 500:
                logger.warning("reading %s: %s", self._link, exc)
            raise refusal from exc

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(_LEASE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise busy(
                f"all {READERS} readers have been busy for {_LEASE_SECONDS:g} s", 5
            ) from None
        self._in_use += 1

    async def _in_thread(self, run: Callable[[], T]) -> T:
        """Return what a function returns; its turn ends with it, even if nobody waits any more."""
        loop = asyncio.get_running_loop()

        def end_turn() -> None:
            self._in_use -= 1
            self._free.release()

        def tell_loop(_: object) -> None:
            # A loop that has ended needs no turns.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(end_turn)

        running = self._threads.submit(run)
        running.add_done_callback(tell_loop)
        return await asyncio.wrap_future(running)

    async def look(self) -> bool:
        """Open the publication that the link points to; return whether it is another one."""
        identity = _identity(self._link)
        if identity == self._identity:
            return False
        replaced, is_first = self._version, self._identity is None
        try:
            self._version = await asyncio.to_thread(self._open)
            self._fault = None
        except NotPublished:
            self._version, self._fault = None, None
        except WarehouseError as exc:
            logger.warning("%s", exc)
            # What was read before still can be.
            self._fault = exc
            self._identity = identity
            return False
        self._identity = identity
        self._replaced = replaced
        if replaced is not None:
            await asyncio.to_thread(replaced.retire)
        if self._version is not None:
            logger.info(
                "publication %s: %d assets",
                self._version.catalogue.publication_id,
                len(self._version.catalogue.assets),
            )
        await self._notify()
        return not is_first

    def _open(self) -> Version:
        """Open the version that the link points to and read what it holds."""
        path = self._link.resolve()
        with open_published(path, limits=self._limits) as reader:
            modified = datetime.fromtimestamp(self._link.lstat().st_mtime, UTC)
            catalogue = read_catalogue(reader, modified)
            # The first Arrow table of a process loads what the first request would wait for.
            reader.execute("select 1 as loaded").to_arrow_table()
        version = Version(path, self._limits, catalogue)
        version.warm_up()
        return version

    async def wait_for_next(self, known: str | None, seconds: float) -> Catalogue | None:
        """Return the newest publication once it is another than the known; None after a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                while not self._is_closing:
                    newest = self.newest
                    if newest is not None and newest.publication_id != known:
                        return newest
                    await self._changed.wait()
        return None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look at the link within the block; close the readers after it."""
        self._loop = asyncio.get_running_loop()
        await self.look()
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            await self.close()
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            if self._version is not None:
                self._version.retire()
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        """Look at the link over and over, whatever one look ends with."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            looking = asyncio.create_task(self.look())
            await asyncio.wait({looking})
            error = looking.exception()
            if error is not None:
                logger.error("%s: looking for a publication failed", self._link, exc_info=error)
                await asyncio.sleep(_REST_SECONDS)

    async def close(self) -> None:
        """Wake all who wait for the next publication: there is none."""
        self._is_closing = True
        await self._notify()

    def stop(self) -> None:
        """Begin to end, from a signal handler."""
        if self._loop is not None and not self._is_closing:
            self._is_closing = True
            asyncio.run_coroutine_threadsafe(self._notify(), self._loop)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _identity(link: Path) -> Identity | None:
    """Return which file the link points to; None without one."""
    try:
        version = link.resolve()
        stat = version.stat()
    except OSError:
        return None
    return str(version), stat.st_ino, stat.st_size, stat.st_mtime_ns
