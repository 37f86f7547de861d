"""The common ground of all dialects: a call, its answer, a refusal, and where it is routed.

Belongs here: what every venue's dialect needs. Does not belong here: any one venue's words.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from standin.budgets import Budget
from standin.faults import Fault, Faults
from standin.market_data import Candle, Instrument, MarketData, Series


class Refusal(Exception):
    """An answer that is an error in the venue's own words."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers or {}


@dataclass(slots=True)
class Answer:
    """Rows, and how they are wrapped; row faults act on the rows before wrapping."""

    rows: list[Any]
    wrap: Callable[[list[Any]], Any] = list
    headers: dict[str, str] = field(default_factory=dict)
    weight: float = 0.0  # charged after the answer, where a venue charges by what it returns


@dataclass(slots=True)
class Call:
    """One request to one venue.

    Parameters
    ----------
    now : int
        The stand-in's time [ms]: an answer holds nothing later.
    server_time : int
        What the venue believes the time to be; now plus a skew.
    """

    dialect: "Dialect"
    endpoint: str
    params: dict[str, str]
    now: int
    server_time: int
    faults: Faults
    drawn: Sequence[Fault] = ()
    headers: dict[str, str] = field(default_factory=dict)
    symbol: str = ""
    _factors: dict[str, float] = field(default_factory=dict)

    @property
    def venue(self) -> str:
        return self.dialect.venue

    def has(self, name: str) -> bool:
        return self.params.get(name, "") != ""

    def integer(self, name: str, default: int | None = None) -> int | None:
        """Return a parameter as a number, or the default where it is not sent."""
        value = self.params.get(name, "")
        if value == "":
            return default
        try:
            return int(float(value))
        except ValueError:
            raise self.dialect.bad_parameter(name, value) from None

    def limit(self, name: str, default: int, most: int, *, refuse: bool = False) -> int:
        """Return the limit of rows: cut to the venue's most, or refused above it."""
        value = self.integer(name, default)
        if value is None or value < 1 or (refuse and value > most):
            raise self.dialect.bad_parameter(name, str(value))
        return min(value, most)

    def milliseconds(self, name: str) -> int | None:
        """Return an instant that is sent in seconds."""
        seconds = self.integer(name)
        return None if seconds is None else seconds * 1000

    def step(self, name: str, steps: dict[str, int], default: str = "") -> int:
        """Return the milliseconds of an interval as the venue spells it."""
        value = self.params.get(name) or default
        if value not in steps:
            raise self.dialect.bad_parameter(name, value)
        return steps[value]

    def series(self, market_id: str | None, *, is_inverse: bool | None = None) -> Series:
        """Return a listed contract of one kind, or raise the venue's refusal of an unknown one."""
        series = self.dialect.by_id.get(market_id or "")
        if series is None or not self.is_listed(series):
            raise self.dialect.unknown_symbol(market_id or "")
        if is_inverse not in (None, series.instrument.is_inverse):
            raise self.dialect.unknown_symbol(market_id or "")
        self.symbol = series.instrument.symbol
        return series

    def is_listed(self, series: Series) -> bool:
        """Return whether the venue lists a contract and no fault hides it."""
        instrument = series.instrument
        return instrument.is_listed(self.now) and not self.faults.has_vanished(
            self.venue, instrument.symbol
        )

    def listed(self, *, is_inverse: bool | None = None) -> list[tuple[str, Series]]:
        """Return (market id, series) of what is listed, all or one kind."""
        return [
            (market_id, series)
            for market_id, series in self.dialect.by_id.items()
            if (is_inverse is None or series.instrument.is_inverse == is_inverse)
            and self.is_listed(series)
        ]

    def page_of_fundings(self, series: Series, size: str, number: str, most: int) -> "FundingPage":
        """Return the page of settled rates that two parameters name, by their names."""
        rates = self.fundings(series, None, None, None, from_end=True)[::-1]
        return FundingPage(rates, self.limit(size, 20, most), self.limit(number, 1, 1_000_000))

    def one_or_all(
        self,
        one: Callable[["Call"], Series],
        listed: Callable[["Call"], list[tuple[str, Series]]],
    ) -> list[tuple[str, Series]]:
        """Return (market id, series) of the ``symbol`` of a call, else of all it can mean."""
        return [(self.params["symbol"], one(self))] if self.has("symbol") else listed(self)

    def chosen(self, name: str, *, is_inverse: bool | None = None) -> list[tuple[str, Series]]:
        """Return (market id, series) of the contract a parameter names, else of all listed."""
        if not self.has(name):
            return self.listed(is_inverse=is_inverse)
        market_id = self.params[name]
        return [(market_id, self.series(market_id, is_inverse=is_inverse))]

    def widened(
        self, step: int, low: int | None, high: int | None, limit: int | None
    ) -> tuple[int | None, int | None, int | None]:
        """Return bounds and limit with room for the rows of overlapping pages."""
        for fault in self.drawn:
            if fault.kind == "overlapping":
                low = None if low is None else low - fault.rows * step
                high = None if high is None else high + fault.rows * step
                limit = None if limit is None else limit + 2 * fault.rows
        return low, high, limit

    def candles(
        self,
        series: Series,
        step: int,
        low: int | None,
        high: int | None,
        limit: int | None,
        *,
        from_end: bool,
        is_mark: bool = False,
    ) -> list[Candle]:
        """Return candles within [low, high], oldest first."""
        low, high, limit = self.widened(step, low, high, limit)
        try:
            return series.candles(
                step, self.now, low, high, limit, from_end=from_end, is_mark=is_mark
            )
        except ValueError as exc:
            raise Refusal(501, {"standin": str(exc)}) from exc

    def open_interests(
        self, series: Series, period: int, *within: int | None, from_end: bool
    ) -> list[tuple[int, float]]:
        """Return (time, position units) within low, high and limit, oldest first."""
        factor = self.factor(series)
        samples = self._samples(series, period, *within, from_end=from_end)
        return [(at, quantity * factor) for at, quantity, _ in samples]

    def ratios(
        self, series: Series, period: int, *within: int | None, from_end: bool
    ) -> list[tuple[int, float]]:
        """Return (time, long over short accounts) within low, high and limit, oldest first."""
        samples = self._samples(series, period, *within, from_end=from_end)
        return [(at, ratio) for at, _, ratio in samples]

    def _samples(
        self,
        series: Series,
        period: int,
        low: int | None,
        high: int | None,
        limit: int | None,
        *,
        from_end: bool,
    ) -> list[tuple[int, float, float]]:
        low, high, limit = self.widened(period, low, high, limit)
        return series.samples(period, self.now, low, high, limit, from_end=from_end)

    def fundings(
        self,
        series: Series,
        low: int | None,
        high: int | None,
        limit: int | None,
        *,
        from_end: bool,
    ) -> list[tuple[int, float]]:
        """Return settled (time, rate) within [low, high], oldest first."""
        interval = series.instrument.funding_interval_hours * 3_600_000
        low, high, limit = self.widened(interval, low, high, limit)
        return series.fundings(self.now, low, high, limit, from_end=from_end)

    def stamped_fundings(
        self,
        series: Series,
        low: int | None,
        high: int | None,
        limit: int,
        jitter: Callable[[int], int],
        *,
        from_end: bool,
    ) -> list[tuple[int, int, float]]:
        """Return settled (settlement, stamp, rate) whose stamp lies within [low, high].

        Some venues stamp a settlement some milliseconds late; bounds act on the stamps.
        """
        interval = series.instrument.funding_interval_hours * 3_600_000
        low, high, most = self.widened(interval, low, high, limit)
        earliest = None if low is None else low - interval
        rows = [
            (at, at + jitter(at), rate)
            for at, rate in series.fundings(self.now, earliest, high, None, from_end=from_end)
        ]
        high = self.now if high is None else min(high, self.now)
        rows = [row for row in rows if (low is None or row[1] >= low) and row[1] <= high]
        return rows[-(most or limit) :] if from_end else rows[: most or limit]

    def factor(self, series: Series) -> float:
        """Return the fault's factor on this symbol's open interest, one draw an answer."""
        symbol = series.instrument.symbol
        if symbol not in self._factors:
            self._factors[symbol] = self.faults.open_interest_factor(
                self.venue, self.endpoint, symbol
            )
        return self._factors[symbol]

    def open_interest(self, series: Series) -> float:
        """Return the newest open interest in position units."""
        return series.open_interest_now(self.now) * self.factor(series)

    def day(self, series: Series) -> "Day":
        """Return the last 24 hours of a contract."""
        return Day.of(series, self.now)

    def liquidations(
        self, series: Series, after: int, until: int
    ) -> list[tuple[int, bool, float, float]]:
        """Return liquidations within (after, until], none later than now."""
        return list(series.liquidations(after, min(until, self.now)))


@dataclass(frozen=True, slots=True)
class FundingPage:
    """A page of settled rates, newest first, numbered from 1."""

    all_rates: list[tuple[int, float]]
    size: int
    number: int

    @property
    def rates(self) -> list[tuple[int, float]]:
        """Return (time, rate) of this page."""
        return self.all_rates[(self.number - 1) * self.size : self.number * self.size]

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return -(-len(self.all_rates) // self.size)


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours as tickers publish them, in asset units and USD."""

    open: float
    high: float
    low: float
    last: float
    quantity: float
    trades: int
    mark: float

    @classmethod
    def of(cls, series: Series, now: int) -> "Day":
        bar = series.bar_milliseconds
        start = (now - 86_400_000) // bar * bar
        first = int(series.bar_start.searchsorted(start, side="left"))
        last = int(series.bar_start.searchsorted(now - bar, side="right"))
        price = series.price(now, is_mark=False)
        mark = series.price(now)
        if last <= first:
            return cls(price, price, price, price, 0.0, 0, mark)
        part = slice(first, last)
        return cls(
            open=float(series.open[first]),
            high=max(price, float(series.high[part].max())),
            low=min(price, float(series.low[part].min())),
            last=price,
            quantity=float(series.volume[part].sum()),
            trades=int(series.trades[part].sum()),
            mark=mark,
        )


def single(row: Any, wrap: Callable[[Any], Any] = lambda row: row) -> Answer:
    """Return the answer of an endpoint that sends one object instead of a list."""
    return Answer([row], lambda rows: wrap(rows[0] if rows else {}))


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that says when to try again."""
    return {"Retry-After": str(max(1, round(seconds)))}


Handler = Callable[[Any, Call], Answer]
Weight = float | Callable[[dict[str, str]], float]
EndpointName = str | Callable[[dict[str, str]], str]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: method and path template, the endpoint's common name, its charges.

    Where one path serves several endpoints, the name is a function of the parameters.
    """

    method: str
    path: str
    endpoint: EndpointName
    handler: Handler
    charges: tuple[tuple[str, Weight], ...]
    selector: tuple[str, str] | None  # a body field and its value, where one path serves many


def candles_or_marks(is_mark: Callable[[dict[str, str]], bool]) -> EndpointName:
    """Return the name of an endpoint that serves candles of trades or of the mark price."""
    return lambda params: "mark_candles" if is_mark(params) else "candles"


def route(
    pattern: str,
    endpoint: EndpointName,
    selector: tuple[str, str] | None = None,
    **charges: Weight,
) -> Callable[[Handler], Handler]:
    """Mark a method of a dialect as the answer to ``"GET /path/{name}"``, with its charges."""
    method, _, path = pattern.partition(" ")

    def mark(handler: Handler) -> Handler:
        routes: list[Route] = getattr(handler, "routes", [])
        routes.append(Route(method, path, endpoint, handler, tuple(charges.items()), selector))
        handler.routes = routes  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(slots=True)
class Socket:
    """A websocket client as a dialect sees it: where it connected and what it subscribed to."""

    path: str
    topics: dict[str, Any] = field(default_factory=dict)
    next_trade: int = -1  # of a population's tape: the first not sent; -1 before a subscription


class Dialect:
    """One venue's way of speaking; subclasses carry the routes.

    Attributes
    ----------
    venue : str
        As in `MarketData`.
    aliases : tuple of str
        Further first path segments under which the venue answers, ccxt's other ids for it.
    budgets : dict
        Documented rate limits.
    most_rows : dict
        Rows one request to an endpoint gives at most.
    """

    venue: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    budgets: ClassVar[dict[str, Budget]] = {}
    most_rows: ClassVar[dict[str, int]] = {}

    def __init__(self, market: MarketData) -> None:
        self.by_id: dict[str, Series] = {
            self.market_id(series.instrument): series for series in market.of_venue(self.venue)
        }
        self._exact: dict[tuple[str, str, tuple[str, str] | None], Route] = {}
        self._templates: list[tuple[re.Pattern[str], Route]] = []
        self._selecting: set[str] = set()
        for name in dir(type(self)):
            for one in getattr(getattr(type(self), name), "routes", ()):
                if "{" in one.path:
                    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(one.path))
                    self._templates.append((re.compile(pattern + "$"), one))
                else:
                    self._exact[one.method, one.path, one.selector] = one
                    if one.selector is not None:
                        self._selecting.add(one.selector[0])
                undeclared = {charge for charge, _ in one.charges} - set(self.budgets)
                if undeclared:
                    raise ValueError(
                        f"{self.venue} {one.path} charges {undeclared}: no such budget"
                    )

    def find(self, method: str, path: str, params: dict[str, str]) -> Route | None:
        """Return the route of a request, path parameters added to params."""
        for name in self._selecting:
            found = self._exact.get((method, path, (name, params.get(name, ""))))
            if found is not None:
                return found
        found = self._exact.get((method, path, None))
        if found is not None:
            return found
        for pattern, one in self._templates:
            match = pattern.match(path)
            if match and one.method == method:
                params.update(match.groupdict())
                return one
        return None

    def populate(self, market: MarketData, now: int, parameters: Any) -> Any:
        """Let accounts trade on this venue from now on and return them."""
        raise ValueError(f"{self.venue} publishes no accounts; use hyperliquid")

    def market_id(self, instrument: Instrument) -> str:
        """Return the venue's own name of a contract."""
        raise NotImplementedError

    def unknown_symbol(self, market_id: str) -> Refusal:
        raise NotImplementedError

    def bad_parameter(self, name: str, value: str) -> Refusal:
        raise NotImplementedError

    def too_many_requests(self, seconds: float) -> Refusal:
        raise NotImplementedError

    def ban(self) -> Any:
        """Return the body that comes with HTTP 418."""
        return None

    def unknown_path(self, path: str) -> Refusal:
        return Refusal(404, {"standin": f"{self.venue} has no {path} here"})

    def on_text(self, socket: Socket, message: str) -> Iterable[Any]:
        """Return what is sent back for a text frame; str is sent as it is, the rest as JSON."""
        return ()

    def frames(
        self, socket: Socket, after: int, until: int, is_listed: Callable[[Series], bool]
    ) -> Iterable[Any]:
        """Return the frames for a client about what happened within (after, until]."""
        return ()
