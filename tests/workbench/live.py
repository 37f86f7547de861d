"""A home that ingests from the stand-in, and what the stand-in's market says raw should hold.

Belongs here: running rounds in simulated time, reading raw and the truth into the same form. Does
not belong here: anything a test asserts.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from standin import Faults, MarketData, Standin, serving

from jobs.collect.ingest import backfill, ingest
from jobs.collect.round_report import IngestReport
from jobs.collect.scope import Effort
from jobs.settings import Settings
from sources.universe import Universe
from sources.venues.declaration import Product
from sources.venues.declared import VENUES
from sources.venues.pacer import RequestPolicy
from sources.venues.request import specs_of
from warehouse.connect import open_warehouse
from workbench import prepare_home

BAR = 300_000
KINDS = ("ohlcv", "mark_ohlc", "open_interest", "funding_rate", "long_short_ratio")
_QUICK = RequestPolicy(first_delay_seconds=0.001, longest_delay_seconds=0.01, concurrency=16)
QUICK_EFFORT = Effort(policy=_QUICK, wait_seconds=0.0)
_SELECT = {
    "ohlcv": "bar_start_at, '', open, high, low, close, volume_quantity",
    "mark_ohlc": "bar_start_at, '', mark_open, mark_high, mark_low, mark_close",
    # A snapshot is answered some seconds after its slot.
    "open_interest": "time_bucket(interval 5 minutes, observed_at), '', open_interest_quantity",
    "funding_rate": "funded_at, '', funding_rate_ratio",
    "long_short_ratio": "observed_at, measure, long_short_ratio",
}

Key = tuple[str, str, int, str]
Rows = dict[Key, tuple[float, ...]]


def instant(milliseconds: int) -> dt.datetime:
    """Return an instant, UTC."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC)


class LiveHome:
    """A home whose venues are a stand-in.

    Parameters
    ----------
    home : Path
        Its folder.
    standin : Standin
        The venues it requests.
    universe : Universe
        What it follows.
    history_days : int
        How far back the first request reaches.
    """

    def __init__(
        self, home: Path, standin: Standin, universe: Universe, history_days: int = 1
    ) -> None:
        self.standin = standin
        self.universe = universe
        self.settings = Settings(
            home=home, threads=1, venue_url=standin.base_url, history_days=history_days
        )

    def clock(self) -> dt.datetime:
        """Return the stand-in's time."""
        return instant(self.standin.now)

    def ingest(self, **more: Any) -> IngestReport:
        """Run one round."""
        return ingest(
            self.settings,
            clock=self.clock,
            **{"universe": self.universe, "effort": QUICK_EFFORT, **more},
        )

    def backfill(self, start: int, **more: Any) -> IngestReport:
        """Make good what is missing since an instant [ms]."""
        return backfill(
            self.settings,
            clock=self.clock,
            start=instant(start),
            **{"universe": self.universe, "effort": QUICK_EFFORT, **more},
        )

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query on the writer's database."""
        with open_warehouse(self.settings.warehouse, threads=1) as connection:
            return connection.execute(sql, list(values)).fetchall()

    def rows(self, kind: str) -> Rows:
        """Return what raw holds of a kind, newest row of each key."""
        rows = self.query(
            f"select venue, instrument, {_SELECT[kind]} from raw.{kind} order by ingested_at"
        )
        return {
            (venue, name, round(at.timestamp() * 1000), part): tuple(values)
            for venue, name, at, part, *values in rows
        }


@contextmanager
def live_home(
    home: Path,
    market: MarketData,
    now: int,
    *,
    venues: tuple[str, ...],
    assets: tuple[str, ...] = ("BTC", "PEPE"),
    history_days: int = 1,
    seed: int = 0,
) -> Iterator[LiveHome]:
    """Yield a home and its stand-in in simulated time."""
    prepare_home(home)
    standin = Standin(market, now=now, faults=Faults(seed=seed), enforce_limits=False)
    failure: BaseException | None = None
    with serving(standin):
        try:
            yield LiveHome(home, standin, Universe(venues=venues, assets=assets), history_days)
        except BaseException as exc:  # noqa: BLE001  (raised when the stand-in has been stopped)
            failure = exc
    if failure is not None:
        raise failure


def product_of(venue: str, instrument: str) -> Product:
    """Return what a venue declares of an instrument."""
    base, _, rest = instrument.partition("/")
    kind = "inverse" if rest.partition(":")[2] == base else "linear"
    return next(one for one in VENUES[venue].products if one.contract_kind == kind)


def truth_of(
    market: MarketData, home: LiveHome, kind: str, first: Mapping[str, int], now: int
) -> Rows:
    """Return what raw should hold of a kind from the first instant of each venue [ms] up to now."""
    found: Rows = {}
    for venue in home.universe.venues:
        for series in market.of_venue(venue):
            name = series.instrument.symbol
            if not series.instrument.base.endswith(home.universe.assets):
                continue
            start = first[venue]
            product = product_of(venue, name)
            specs = specs_of(product, kind)  # type: ignore[arg-type]
            if kind in ("ohlcv", "mark_ohlc") and specs:
                is_mark = kind == "mark_ohlc"
                for bar in series.candles(
                    BAR, now, start, None, None, from_end=False, is_mark=is_mark
                ):
                    if bar.start + BAR <= now:
                        values = (bar.open, bar.high, bar.low, bar.close)
                        more = () if is_mark else (bar.quantity,)
                        found[venue, name, bar.start, ""] = (*values, *more)
            elif kind == "funding_rate" and specs:
                for at, rate in series.fundings(now, start, None, None, from_end=False):
                    found[venue, name, at, ""] = (rate,)
            elif kind == "open_interest":
                for at, quantity, _ in series.samples(BAR, now, start, None, None, from_end=False):
                    found[venue, name, at, ""] = (quantity,)
            elif kind == "long_short_ratio" and specs:
                for at, _, ratio in series.samples(BAR, now, start, None, None, from_end=False):
                    found[venue, name, at, "accounts"] = (ratio,)
    return found
