"""Faults that can be switched on, and who gets them.

Belongs here: which calls are hit, by venue, endpoint and symbol, with which probability or in which
order, and what a fault does to the rows of an answer. Does not belong here: how HTTP is broken
(`exchange`), nor in which words a venue refuses (`dialects`).

A draw depends on the seed, the fault, the venue, endpoint, symbol and how often that was requested,
and on nothing else: concurrent clients see the same faults whatever the interleaving.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import numpy as np

# What ends a call before an answer is made, or breaks its transport; one of these a call at most.
TRANSPORT = (
    "too_many_requests",  # 429 with Retry-After, in the venue's own words
    "banned",  # 418 with Retry-After, as binance does
    "server_error",  # `status`, with an HTML body as a gateway sends it
    "time_out",  # nothing for `seconds`, then the connection closes
    "cut_before_answer",  # the connection closes before a byte of the answer
    "cut_in_answer",  # ... after half of it
    "truncated",  # half of the body, with a Content-Length that fits: broken JSON
)
# What is done to the rows of a good answer.
ROWS = (
    "wrong_type",  # one number of one row is text
    "null_value",  # one number of one row is null
    "empty",  # no rows
    "duplicated",  # rows twice
    "unordered",  # rows shuffled
    "altered",  # whatever `alter` makes of them
    "overlapping",  # `rows` more than requested, on both ends
    "missing_field",  # one field of one row is not there
    "zero_size",  # one position of an account's state has size 0
)
# What changes what the venue says.
CONTENT = (
    "clock_skew",  # times of the server are off by `milliseconds`
    "vanished_symbol",  # the symbol is listed nowhere and unknown everywhere
    "open_interest_factor",  # open interest times `factor`: contracts sent as base, or the reverse
    "latency",  # `seconds` before the answer
    "limit_factor",  # the rate limit is `factor` times what the venue documents
    "stale_state",  # an account's state is the one of its last answer, with its old time
    "reorganised_list",  # the list of accounts has other keys, one level deeper
)
# Decided per symbol, so that an answer about all symbols can be wrong about one.
PER_SYMBOL = ("vanished_symbol", "open_interest_factor", "limit_factor")
SOCKET = (
    "socket_cut",  # the websocket closes without a word
    "socket_silence",  # nothing more is sent, not even a pong; it stays open
    "socket_garbage",  # a frame that is no JSON, and one of an unknown shape, before the message
)
KINDS = TRANSPORT + ROWS + CONTENT + SOCKET


@dataclass(slots=True)
class Fault:
    """One rule: which calls, how often, and what happens to them.

    Parameters
    ----------
    venue, endpoint, symbol : str
        Shell patterns; endpoints are named alike on all venues (``candles``,
        ``open_interest_history``, ...), symbols as ccxt spells them.
    probability : float
        Of hitting a call that matches.
    after : int
        Matching calls that pass unharmed first.
    times : int or None
        Calls hit at most; None is without end.
    alter : Callable
        Takes the rows of an answer and returns others.
    """

    kind: str
    venue: str = "*"
    endpoint: str = "*"
    symbol: str = "*"
    probability: float = 1.0
    after: int = 0
    times: int | None = None
    status: int = 500
    seconds: float = 1.0
    factor: float = 1000.0
    milliseconds: int = 60_000
    rows: int = 3
    alter: Callable[[list[Any]], list[Any]] = list
    hits: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; choose one of {', '.join(KINDS)}")

    def matches(self, venue: str, endpoint: str, symbol: str) -> bool:
        return (
            fnmatchcase(venue, self.venue)
            and fnmatchcase(endpoint, self.endpoint)
            and fnmatchcase(symbol, self.symbol)
        )


def _generator(key: str) -> np.random.Generator:
    """Return the generator of one draw, keyed by what is drawn and not by a running stream."""
    return np.random.default_rng(int(sha256(key.encode()).hexdigest(), 16))


class Faults:
    """The faults that are switched on.

    Examples
    --------
    >>> faults = Faults(seed=1)
    >>> _ = faults.add("empty", venue="okx", endpoint="candles", times=1)
    >>> [fault.kind for fault in faults.draw("okx", "candles", "BTC/USDT:USDT")]
    ['empty']
    >>> faults.draw("okx", "candles", "BTC/USDT:USDT")
    []
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.active: list[Fault] = []
        self.drawn: Counter[tuple[str, str]] = Counter()
        self._requested: Counter[tuple[int, str, str, str]] = Counter()
        self._numbers: dict[int, int] = {}

    def add(self, kind: str, **settings: Any) -> Fault:
        """Switch a fault on and return it; it keeps count of its hits."""
        fault = Fault(kind, **settings)
        self._numbers[id(fault)] = len(self._numbers)
        self.active.append(fault)
        return fault

    def script(self, kinds: Sequence[str | None], **settings: Any) -> list[Fault]:
        """Switch on faults for the first, second, ... matching call; None lets it pass."""
        return [
            self.add(kind, after=number, times=1, **settings)
            for number, kind in enumerate(kinds)
            if kind is not None
        ]

    def remove(self, fault: Fault) -> None:
        self.active.remove(fault)

    def clear(self) -> None:
        self.active.clear()

    def draw(self, venue: str, endpoint: str, symbol: str) -> list[Fault]:
        """Return the faults that hit a call, counting them."""
        hit: list[Fault] = []
        for fault in self.active:
            if fault.kind in PER_SYMBOL or not fault.matches(venue, endpoint, symbol):
                continue
            if fault.kind in TRANSPORT and any(other.kind in TRANSPORT for other in hit):
                continue
            if self.hits(fault, venue, endpoint, symbol):
                hit.append(fault)
        return hit

    def open_interest_factor(self, venue: str, endpoint: str, symbol: str) -> float:
        """Return by what the open interest of a symbol is multiplied in this answer."""
        factor = 1.0
        for fault in self.active:
            if (
                fault.kind == "open_interest_factor"
                and fault.matches(venue, endpoint, symbol)
                and self.hits(fault, venue, endpoint, symbol)
            ):
                factor *= fault.factor
        return factor

    def hits(self, fault: Fault, venue: str, endpoint: str, symbol: str) -> bool:
        """Return whether a fault hits a call it matches, and count it."""
        fault.seen += 1
        if fault.seen <= fault.after or (fault.times is not None and fault.hits >= fault.times):
            return False
        if fault.probability < 1.0:
            key = (self._numbers[id(fault)], venue, endpoint, symbol)
            self._requested[key] += 1
            drawn = _generator(f"{self.seed}/{key}/{self._requested[key]}").random()
            if drawn >= fault.probability:
                return False
        fault.hits += 1
        self.drawn[venue, fault.kind] += 1
        return True

    def limit_factor(self, venue: str) -> float:
        """Return by what the rate limits of a venue are multiplied."""
        factor = 1.0
        for fault in self.active:
            if fault.kind == "limit_factor" and fault.matches(venue, fault.endpoint, fault.symbol):
                factor *= fault.factor
        return factor

    def has_vanished(self, venue: str, symbol: str) -> bool:
        """Return whether a symbol has vanished from every endpoint."""
        return any(
            fault.kind == "vanished_symbol" and fault.matches(venue, fault.endpoint, symbol)
            for fault in self.active
        )


def _spoil(row: Any, value: Any, rng: np.random.Generator) -> Any:
    """Return a copy of a row with one of its numbers replaced, times excepted where possible."""

    def is_number(item: Any) -> bool:
        if isinstance(item, bool):
            return False
        if isinstance(item, int | float):
            return True
        return isinstance(item, str) and item.replace(".", "", 1).replace("-", "", 1).isdigit()

    if isinstance(row, list):
        places = [i for i in range(1, len(row)) if is_number(row[i])]
        if places:
            row = list(row)
            row[int(rng.choice(places))] = value
    elif isinstance(row, dict):
        names = [
            name
            for name, item in row.items()
            if is_number(item) and not name.lower().endswith(("time", "timestamp", "ts"))
        ]
        if names:
            row = {**row, names[int(rng.integers(len(names)))]: value}
    return row


def _without_field(row: Any, kind: str, rng: np.random.Generator) -> Any:
    """Return a copy of a row that lacks a field, or is a position of size 0."""
    if not isinstance(row, dict):
        return row
    if kind == "zero_size":
        return {**row, "szi": "0.0"} if "szi" in row else row
    dropped = sorted(row)[int(rng.integers(len(row)))]
    return {name: item for name, item in row.items() if name != dropped}


def mangle(rows: list[Any], faults: Sequence[Fault], seed: str) -> list[Any]:
    """Return the rows of an answer as the row faults among faults leave them."""
    for fault in faults:
        if fault.kind not in ROWS:
            continue
        rng = _generator(f"{seed}/{fault.kind}")
        rows = list(rows)
        if fault.kind == "empty":
            rows = []
        elif fault.kind == "altered":
            rows = fault.alter(rows)
        elif fault.kind == "duplicated":
            rows = [row for row in rows for _ in (0, 1)]
        elif fault.kind == "unordered":
            rows = [rows[place] for place in rng.permutation(len(rows))]
        elif fault.kind in ("missing_field", "zero_size") and rows:
            place = int(rng.integers(len(rows)))
            rows[place] = _without_field(rows[place], fault.kind, rng)
        elif fault.kind in ("wrong_type", "null_value") and rows:
            place = int(rng.integers(len(rows)))
            rows[place] = _spoil(rows[place], "abc" if fault.kind == "wrong_type" else None, rng)
    return rows
