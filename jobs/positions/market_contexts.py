"""Marks and open interest of all contracts, as last read.

Belongs here: which dexes there are, their contexts, their coins. Does not belong here: how often
they are read (`jobs.positions.collector`).
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from jobs.collect.scope import Clock
from jobs.instants import to_microseconds
from jobs.positions.mark_board import MarkBoard
from sources.accounts.info_client import CoinContext, InfoClient
from sources.errors import SourceError

# Oldest marks of the venue's own contracts that a map may use.
_HOLD = timedelta(minutes=2)


class MarketContexts:
    """Contexts by dex and coin; the dex of the venue's own contracts is empty.

    Parameters
    ----------
    marks : MarkBoard
        Takes over mark prices.
    clock : callable
        Returns the time, UTC.
    """

    def __init__(self, marks: MarkBoard, clock: Clock) -> None:
        self._marks = marks
        self._clock = clock
        self._contexts: dict[str, dict[str, CoinContext]] = {}
        self._read_at: dict[str, datetime] = {}
        self._dexes: tuple[str, ...] = ()

    def coins(self) -> list[str]:
        """Return all coins, those of the venue's own contracts first."""
        return [coin for dex in sorted(self._contexts) for coin in self._contexts[dex]]

    def builders(self) -> list[str]:
        """Return the builders' dexes, those with most open interest first."""

        def open_interest_usd(dex: str) -> float:
            values = (
                one.mark_price * one.open_interest_quantity
                for one in self._contexts.get(dex, {}).values()
            )
            return sum(value for value in values if value > 0)

        return sorted(self._dexes, key=open_interest_usd, reverse=True)

    def context(self, coin: str) -> CoinContext | None:
        """Return the context of a coin of the venue's own contracts; None for an unknown one."""
        return self._contexts.get("", {}).get(coin)

    async def read(self, client: InfoClient, dexes: Iterable[str] = ("",)) -> None:
        """Read the contexts of some dexes; errors of the client end it."""
        for dex in dexes:
            contexts = self._contexts[dex] = await client.contexts(dex)
            self._read_at[dex] = self._clock()
            now = to_microseconds(self._read_at[dex])
            for coin, one in contexts.items():
                self._marks.put(coin, one.mark_price, now)

    async def read_builders(self, client: InfoClient) -> None:
        """Read the contexts of builders' dexes, and which there are where that is not known."""
        if not self._dexes:
            await self.read_dexes(client)
        await self.read(client, self._dexes)

    async def read_dexes(self, client: InfoClient) -> None:
        """Read which builders' dexes there are; contexts of others are dropped."""
        self._dexes = tuple(await client.dexes())
        for dex in self._contexts.keys() - {"", *self._dexes}:
            del self._contexts[dex]

    async def read_all(
        self, client: InfoClient, on_error: Callable[[SourceError], None]
    ) -> dict[str, dict[str, CoinContext]]:
        """Return the contexts of all dexes at present.

        A dex that does not answer is absent, unless it did a moment ago.
        """
        for dex in ("", *self._dexes):
            try:
                await self.read(client, (dex,))
            except SourceError as exc:
                on_error(exc)
        now = self._clock()
        return {
            dex: contexts
            for dex, contexts in self._contexts.items()
            if now - self._read_at[dex] <= _HOLD
        }
