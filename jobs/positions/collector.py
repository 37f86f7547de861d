"""The long-running collector of positions: requests, what drives them, and when.

Belongs here: the loops side by side, start and stop. Does not belong here: what is known of
accounts (`jobs.positions.known_accounts`), how the venue is reached (`sources.accounts`).

Everything is driven by a clock and a sleep that are given, so that hours can be run in minutes.
"""

import asyncio
import logging
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from jobs.collect.scope import WEIGHTS_FILE, Clock, file_proxy
from jobs.errors import LIQHEAT_ERRORS, BookDamaged
from jobs.instants import HOUR, SECOND_MICROSECONDS, to_instant, to_microseconds
from jobs.positions.account_book import AccountBook
from jobs.positions.book_file import book_path, positions_folder, sole_collector
from jobs.positions.book_records import HeldPositions
from jobs.positions.collector_policy import CollectorPolicy
from jobs.positions.collector_report import CollectorReport, write_report_file
from jobs.positions.hourly_map import land_hourly_map
from jobs.positions.known_accounts import MOST_WAITING, KnownAccounts
from jobs.positions.market_contexts import MarketContexts
from jobs.positions.outbox import land_outbox, liquidation_record
from jobs.settings import Settings
from sources.accounts.info_client import INFO_URL, InfoClient, InfoPolicy
from sources.accounts.lists import AccountList
from sources.accounts.trade_stream import TradeStream
from sources.accounts.trades import AccountTrade
from sources.accounts.weight_budget import WeightBudget
from sources.errors import SourceError, TransientSourceError
from sources.http_exchange import open_session
from sources.retry import RetryPolicy, Sleep
from sources.streaming import first_to_end

logger = logging.getLogger(__name__)

OnProgress = Callable[[CollectorReport], None]
"""Called with the state of the collector every few seconds."""

MINUTE = 60 * SECOND_MICROSECONDS
# The budget paces requests, and the order brings a failed one back: no need for more attempts.
_REQUESTS = InfoPolicy(RetryPolicy(attempts=2))
# Between requests of one worker while the venue does not answer.
_OUTAGE = RetryPolicy(first_delay_seconds=1.0, longest_delay_seconds=60.0)
_RETRY_SECONDS, _RETRY_REFUSED_SECONDS = 60.0, 3600.0
_MOST_LOOK_UPS = 5
# Latest time after the hour at which its map is made; later, states belong to the next hour.
_LATEST_MAP = timedelta(minutes=5)
_MAP_RETRY_SECONDS = 30.0
# A clock that is set in the meantime is noticed within this time.
_LONGEST_WAIT_SECONDS = 30.0
_LAST_MAP = "last_map_at"
_ERROR_SHOWN = timedelta(hours=1)
_OUTAGES_REPORTED = 20


def collect_positions(
    settings: Settings,
    *,
    clock: Clock,
    sleep: Sleep = asyncio.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    seconds: float | None = None,
    policy: CollectorPolicy | None = None,
    on_progress: OnProgress | None = None,
) -> CollectorReport:
    """Collect the positions of all accounts until stopped, and return the last state.

    Ends on SIGINT or SIGTERM after landing what it has. Killed at any other instant it goes on
    where it stopped when it is started again.

    Parameters
    ----------
    settings : Settings
        Folders, addresses, proxies.
    clock : callable
        Returns the time, UTC.
    sleep : callable
        Waits [seconds of the clock].
    monotonic : callable
        Returns seconds of a clock that nobody sets, shared by all processes of the home.
    seconds : float, optional
        How long; by default until it is stopped.
    policy : CollectorPolicy, optional
        How often it does what.
    on_progress : callable, optional
        Receives the state each time it is written.

    Raises
    ------
    CollectorRunning
        Another collector works on this home.
    BookDamaged, BookUnavailable
        The account book cannot be used; the message names the file and the next step.
    """
    policy = policy or CollectorPolicy()
    folder = positions_folder(settings)
    with sole_collector(folder):
        book = AccountBook(book_path(settings))
        accounts = KnownAccounts(book, policy.sweeps)
        budget = WeightBudget(settings.home / WEIGHTS_FILE, clock=monotonic, sleep=sleep)
        home = _Home(settings, clock, sleep, policy, book, accounts, budget)
        try:
            return asyncio.run(_Collector(home, on_progress).run(seconds))
        except BaseExceptionGroup as group:
            raise _first_of(group) from group
        finally:
            accounts.close()
            budget.close()


def _first_of(error: BaseException) -> BaseException:
    """Return the error that ended several tasks."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@dataclass(frozen=True, slots=True)
class _Home:
    """What all loops share."""

    settings: Settings
    clock: Clock
    sleep: Sleep
    policy: CollectorPolicy
    book: AccountBook
    accounts: KnownAccounts
    budget: WeightBudget

    def now(self) -> int:
        """Return the time [microseconds since 1970]."""
        return to_microseconds(self.clock())


class _Collector:
    """The loops of a collector and what they share."""

    def __init__(self, home: _Home, on_progress: OnProgress | None) -> None:
        self._home = home
        self._policy = home.policy
        self._accounts = home.accounts
        self._on_progress = on_progress
        self._stop = asyncio.Event()
        self._started_at = home.clock()
        self._market = MarketContexts(home.accounts.marks, home.clock)
        self._planned: deque[int] = deque()
        self._received: deque[int] = deque()
        self._states_received = 0
        self._snapshot: tuple[datetime, HeldPositions] | None = None
        self._last_map_at: datetime | None = None
        self._last_map_reason: str | None = None
        self._last_error: tuple[datetime, str] | None = None
        self._standing_errors: dict[object, str] = {}
        self._connected_at: int | None = None

    async def run(self, seconds: float | None) -> CollectorReport:
        """Collect until stopped, and return the last state."""
        home = self._home
        await self._accounts.call(self._accounts.load, home.now())
        last_map = await self._accounts.call(home.book.meta, _LAST_MAP)
        self._last_map_at = None if last_map is None else datetime.fromisoformat(last_map)
        logger.info(
            "collecting positions: %d accounts and %d positions known",
            self._accounts.table.account_count,
            self._accounts.table.position_count,
        )
        loop = asyncio.get_running_loop()
        # Outside the main thread there are no signals to wait for.
        with suppress(ValueError, NotImplementedError, RuntimeError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stop.set)
        proxy = file_proxy(home.settings)
        async with open_session(proxy) as session:
            base = (home.settings.positions_url or INFO_URL).rstrip("/")
            client = InfoClient(session, base, home.budget, sleep=home.sleep, policy=_REQUESTS)
            self._stream = TradeStream(
                base.replace("http", "ws", 1) + "/ws",
                self._market.coins,
                self._take_trades,
                clock=home.clock,
                sleep=home.sleep,
                proxy=proxy,
            )
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one) for one in self._loops(client, seconds)]
                await self._keep_book()
                for task in tasks:
                    task.cancel()
        return await self._finish()

    def _loops(
        self, client: InfoClient, seconds: float | None
    ) -> list[Coroutine[None, None, None]]:
        policy = self._policy
        loops: list[Coroutine[None, None, None]] = [
            self._stream.run(self._stop),
            self._every(policy.contexts_seconds, lambda: self._market.read(client)),
            self._every(policy.dex_contexts_seconds, lambda: self._market.read_builders(client)),
            self._every(policy.lists_seconds, lambda: self._market.read_dexes(client)),
            self._every(
                policy.lists_seconds, lambda: self._read_list("leaderboard", client.leaderboard)
            ),
            self._every(policy.lists_seconds, lambda: self._read_list("vaults", client.vaults)),
            self._every(policy.look_up_seconds, lambda: self._look_up(client)),
            self._every(policy.revalue_seconds, self._revalue),
            self._make_maps(client),
            *(self._sweep(client) for _ in range(policy.workers)),
        ]
        if seconds is not None:
            loops.append(self._stop_after(seconds))
        return loops

    async def _stop_after(self, seconds: float) -> None:
        await self._home.sleep(seconds)
        self._stop.set()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do something again and again, sooner after an error."""
        while True:
            error = await self._attempt(work)
            retry = _RETRY_SECONDS
            if error is not None and not isinstance(error, TransientSourceError):
                retry = _RETRY_REFUSED_SECONDS
            await self._home.sleep(seconds if error is None else min(seconds, retry))

    async def _attempt(
        self, work: Callable[[], Awaitable[None]], what: object = None
    ) -> BaseException | None:
        """Do something; an error is noted and returned, for its next turn to try again."""
        what = work if what is None else what
        try:
            await work()
        except BookDamaged:
            raise
        except LIQHEAT_ERRORS as exc:
            self._note_error(exc, what)
            return exc
        self._standing_errors.pop(what, None)
        return None

    def _note_error(self, error: BaseException, what: object) -> None:
        """Note an error; it is reported until the same step succeeds."""
        message = self._standing_errors[what] = f"{error}"
        if self._last_error is None or self._last_error[1] != message:
            logger.warning("%s", message)
        self._last_error = (self._home.clock(), message)

    # States.

    async def _sweep(self, client: InfoClient) -> None:
        """Request one state after another, whichever is latest."""
        failures = 0
        while True:
            row = None if self._accounts.waiting_count > MOST_WAITING else self._next_row()
            if row is None:
                await self._home.sleep(1.0)
                continue
            table = self._accounts.table
            try:
                state = await client.state(table.address(row), table.dex(row))
            except SourceError as exc:
                self._note_error(exc, "state")
                table.postpone(row, self._home.now())
                if isinstance(exc, TransientSourceError):
                    failures += 1
                    await self._home.sleep(_OUTAGE.delay(failures, None))
                continue
            failures = 0
            self._standing_errors.pop("state", None)
            now = self._home.now()
            self._received.append(now)
            self._states_received += 1
            self._accounts.note_state(row, state, now)

    def _next_row(self) -> int | None:
        """Return the row whose turn it is, and make the order anew where it is used up."""
        if not self._planned:
            rows = self._accounts.table.take_next(
                self._home.now(), self._policy.planned, self._market.builders()
            )
            self._planned.extend(rows)
        return self._planned.popleft() if self._planned else None

    # What is public.

    def _take_trades(self, trades: list[AccountTrade]) -> None:
        self._accounts.note_trades(trades, self._home.now())

    async def _read_list(self, name: str, read: Callable[[], Awaitable[AccountList]]) -> None:
        listed = await read()
        new = self._accounts.note_listed(listed.addresses, self._home.now())
        logger.info(
            "%s: %d accounts, %d of them new, %d rows malformed",
            name,
            len(listed.addresses),
            new,
            listed.malformed,
        )

    async def _revalue(self) -> None:
        self._accounts.table.revalue()

    # Liquidations.

    async def _look_up(self, client: InfoClient) -> None:
        """Confirm the largest suspected liquidation by the fills of its account."""
        book, call = self._home.book, self._accounts.call
        suspects = await call(book.next_suspects)
        if not suspects:
            return
        address = self._accounts.table.address_of(suspects[0].account_id)
        since = to_instant(min(one.since_at for one in suspects))
        until = to_instant(max(one.until_at for one in suspects))
        try:
            found = await client.fills(address, since, until)
        except SourceError as exc:
            self._note_error(exc, "fills")
            await call(book.postpone, suspects, _MOST_LOOK_UPS)
            return
        self._standing_errors.pop("fills", None)
        await call(book.settle, suspects, [liquidation_record(one) for one in found])

    # Maps.

    async def _make_maps(self, client: InfoClient) -> None:
        """Make the map of each hour a moment after it."""
        while True:
            now = self._home.clock()
            hour = now.replace(minute=0, second=0, microsecond=0)
            if self._last_map_at == hour or now - hour > _LATEST_MAP:
                hour += HOUR
            delay = (hour - now).total_seconds() + self._policy.map_delay_seconds
            if delay > _LONGEST_WAIT_SECONDS:
                await self._home.sleep(_LONGEST_WAIT_SECONDS)
                continue
            await self._home.sleep(max(delay, 0.0))
            error = await self._attempt(partial(self._make_map, client, hour), "map")
            if error is not None and self._last_map_at != hour:
                self._last_map_reason = str(error)
            if self._last_map_reason is not None:
                await self._home.sleep(_MAP_RETRY_SECONDS)

    async def _make_map(self, client: InfoClient, hour: datetime) -> None:
        """Make the map of an hour, or note why there is none."""
        # States received meanwhile are of after the hour: another attempt takes those of the first.
        if self._snapshot is None or self._snapshot[0] != hour:
            self._snapshot = (hour, await self._accounts.snapshot(to_microseconds(hour)))
        positions = self._snapshot[1]
        self._standing_errors.pop("marks", None)
        contexts = await self._market.read_all(client, lambda exc: self._note_error(exc, "marks"))
        # In the thread of the book: what a thread frees, the C library keeps for that thread.
        report = await self._accounts.call(
            land_hourly_map, self._home.settings, positions, contexts, hour
        )
        self._last_map_reason = report.reason
        if report.reason is None:
            self._snapshot = None
            self._last_map_at = hour
            await self._accounts.call(self._home.book.put_meta, _LAST_MAP, hour.isoformat())

    # The book and what leaves it.

    async def _keep_book(self) -> None:
        """Store, land and report until stopped."""
        policy, accounts = self._policy, self._accounts
        duties = [
            _Duty(policy.store_seconds, self._store),
            _Duty(policy.trading_seconds, accounts.write_trading),
            _Duty(policy.checkpoint_seconds, self._checkpoint),
            _Duty(policy.landing_seconds, self._land),
            _Duty(policy.report_seconds, self._write_report),
        ]
        if self._on_progress is not None:
            duties.append(_Duty(policy.progress_seconds, self._show_progress, self._home.now()))
        while not self._stop.is_set():
            for duty in duties:
                if duty.is_due(self._home.now()):
                    await self._attempt(duty.work)
                    duty.done_at = self._home.now()
            await first_to_end(self._home.sleep(policy.store_seconds), self._stop.wait())

    async def _store(self) -> None:
        self._accounts.stream_whole_since = self._stream_whole_since()
        await self._accounts.store()

    def _stream_whole_since(self) -> int | None:
        """Return since when the stream has been connected without a break; None: it is not."""
        report = self._stream.report()
        if not report.is_connected:
            self._connected_at = None
            return None
        if self._connected_at is None:
            self._connected_at = self._home.now()
        ended = [to_microseconds(one.ended_at) for one in report.outages if one.ended_at]
        return max([self._connected_at, *ended])

    async def _checkpoint(self) -> None:
        await self._accounts.call(self._home.book.checkpoint)

    async def _land(self) -> None:
        home = self._home
        await self._accounts.call(land_outbox, home.book, home.settings, home.clock())

    async def _write_report(self) -> None:
        report = await self._report()
        write_report_file(self._home.settings, report)

    async def _show_progress(self) -> None:
        if self._on_progress is not None:
            self._on_progress(await self._report())

    async def _report(self) -> CollectorReport:
        """Return the state of the collector."""
        home, table, stream = self._home, self._accounts.table, self._stream.report()
        now = home.now()
        while self._received and not now - MINUTE < self._received[0] <= now:
            self._received.popleft()
        oldest_large, oldest, new_waiting, with_positions = table.ages(now)
        usage = home.budget.usage()
        error_at, error = self._last_error or (None, None)
        if error_at is not None and home.clock() - error_at > _ERROR_SHOWN:
            error_at, error = None, None
        return CollectorReport(
            at=home.clock(),
            started_at=self._started_at,
            accounts=table.account_count,
            accounts_with_positions=with_positions,
            positions=table.position_count,
            sweeps_per_minute=len(self._received),
            weight_last_minute=usage.used,
            weight_limit=usage.limit,
            oldest_large_seconds=oldest_large,
            oldest_seconds=oldest,
            states_received=self._states_received,
            trades_received=stream.rows,
            new_waiting=new_waiting,
            records_waiting=await self._accounts.call(home.book.waiting),
            btc_observed_ratio=self._observed_ratio("BTC"),
            is_stream_connected=stream.is_connected,
            outages=stream.outages[-_OUTAGES_REPORTED:],
            last_map_at=self._last_map_at,
            last_map_reason=self._last_map_reason,
            last_error=error,
            last_error_at=error_at,
            standing_error=next(iter(self._standing_errors.values()), None),
            clock_ahead_seconds=self._accounts.clock_ahead_seconds,
        )

    def _observed_ratio(self, coin: str) -> float | None:
        """Return the share of a coin's open interest in positions held, both sides counted."""
        context = self._market.context(coin)
        if context is None or not context.open_interest_quantity > 0:
            return None
        held = self._accounts.table.held_quantity(coin)
        return held / (2 * context.open_interest_quantity)

    async def _finish(self) -> CollectorReport:
        """Store and land what is left, and return the last state."""
        for work in (
            self._store,
            self._accounts.write_trading,
            self._land,
            self._checkpoint,
            self._write_report,
        ):
            await self._attempt(work)
        return await self._report()


@dataclass(slots=True)
class _Duty:
    """Something done again and again by the loop that uses the book."""

    seconds: float
    work: Callable[[], Awaitable[None]]
    done_at: int = 0

    def is_due(self, now: int) -> bool:
        """Return whether its time has come; a clock that was set back makes it due."""
        return not 0 <= now - self.done_at < self.seconds * SECOND_MICROSECONDS
