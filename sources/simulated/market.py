"""Runs a simulated market and yields its records day by day.

Belongs here: the order of the steps and where randomness comes from.
Does not belong here: what traders do, or how it is reported.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import exp, log, sqrt

import numpy as np

from sources.errors import InputRejected
from sources.records import Batch
from sources.simulated import book_layout as at
from sources.simulated.book import ContractBook, make_contract, tilt_leverage
from sources.simulated.emission import (
    MeasuredSpan,
    SimulatedInstrument,
    opening_open_interest_batch,
    parameters_sha256,
    reference_batches,
    span_batches,
)
from sources.simulated.parameters import MarketParameters
from sources.simulated.positions import GRID_RANGE
from sources.simulated.price_path import FloatArray, PriceProcess
from sources.simulated.trading import HOUR_MINUTES, PUBLISHED_RANGE, Measured


def _generator(seed: int, *words: object) -> np.random.Generator:
    """Return the generator of one thing on one day, independent of all others.

    Being keyed by names and days, not by order, neither more days nor more assets change it.
    """
    key = "/".join(str(word) for word in (seed, *words))
    return np.random.Generator(np.random.PCG64(int(sha256(key.encode()).hexdigest(), 16)))


def _check_paths(
    parameters: MarketParameters, paths: dict[str, tuple[FloatArray, FloatArray]], day: int
) -> None:
    """Refuse a market in which a price leaves the grid."""
    for asset in parameters.assets:
        away = float(np.abs(paths[asset.name][0] - log(asset.price_usd)).max())
        if away > GRID_RANGE - PUBLISHED_RANGE:
            raise InputRejected(
                f"simulated market: on day {day} {asset.name} is {exp(away):.0f} times away "
                f"from price_usd={asset.price_usd}, beyond the price grid; lower its "
                "daily_volatility_ratio or price_pull_half_life_days"
            )


def _make_books(
    parameters: MarketParameters,
) -> tuple[list[SimulatedInstrument], list[ContractBook]]:
    """Return every asset's contract on every venue, and their books."""
    instruments = [
        SimulatedInstrument(venue, asset, make_contract(parameters, venue, asset))
        for venue in parameters.venues
        for asset in parameters.assets
    ]
    books = [
        ContractBook(
            item.contract, log(item.asset.price_usd),
            _generator(parameters.seed, item.venue.name, item.asset.name, "fill"),
            0 if item.asset.whale is None else item.asset.whale.tranche_count,
        )
        for item in instruments
    ]  # fmt: skip
    return instruments, books


class _LeverageDrift:
    """How far the mix of fresh positions is tilted, day by day: it reverts to no tilt."""

    def __init__(self, parameters: MarketParameters) -> None:
        self._seed = parameters.seed
        self._deviation = parameters.conduct.leverage_drift_deviation
        self._kept = 0.5 ** (1.0 / parameters.conduct.leverage_drift_half_life_days)
        self._tilt = self._deviation * self._normal("before")

    def _normal(self, day: object) -> float:
        """Return the draw of a day, which no other randomness depends on."""
        return float(_generator(self._seed, "leverage", day).standard_normal())

    def advance_day(self, day: int) -> float:
        """Return the tilt of a day; to be called day by day."""
        step = self._deviation * sqrt(1.0 - self._kept**2)
        self._tilt = self._kept * self._tilt + step * self._normal(day)
        return self._tilt


def _trade_day(
    seed: int,
    item: SimulatedInstrument,
    book: ContractBook,
    path: tuple[FloatArray, FloatArray],
    day: int,
    hours: int,
) -> Measured:
    """Return what is seen of the first hours of a day on one contract."""
    log_index, activity = (each[: hours * HOUR_MINUTES] for each in path)
    generator = _generator(seed, item.venue.name, item.asset.name, day)
    return book.advance(generator, log_index, activity)


def simulate(
    parameters: MarketParameters,
    *,
    ingested_at: datetime | None = None,
) -> Iterator[Batch]:
    """Yield the records of a simulated market, a day at a time.

    The market is a function of the parameters alone. A longer span begins with exactly the rows of
    a shorter one.

    Parameters
    ----------
    parameters : MarketParameters
        The market and the span.
    ingested_at : datetime, optional
        Stamp of the records; the end of the span if left out.

    Yields
    ------
    Batch
        Of kinds ``instrument``, ``leverage_bracket`` (once), ``ohlcv``, ``mark_ohlc``,
        ``open_interest``, ``funding_rate``, ``realised_liquidation`` and ``provider_map`` (the
        true standing positions at each hour; provider ``simulated_truth``, one map per venue).
        Prices in USD per unit of the asset; quantities as in `sources.records`. In a map,
        ``value`` is quantity times liquidation price (inverse: USD of contracts), and
        ``observed_open_interest_ratio`` the share of the side's open interest that the rows of
        that side hold; the rest is beyond the published range or cannot be liquidated.

    Raises
    ------
    InputRejected
        If a price left the range of the grid.
    """
    stamp = parameters.end if ingested_at is None else ingested_at
    digest = parameters_sha256(parameters)
    for day, span in enumerate(measure_days(parameters)):
        if day == 0:
            instruments = [instrument for instrument, _ in span.measured]
            yield from reference_batches(instruments, span.start, stamp)
            yield opening_open_interest_batch(
                instruments, span.opening_lots, span.opening_mark, span.start, stamp
            )
        yield from span_batches(span, digest, stamp)


def measure_days(parameters: MarketParameters) -> Iterator[MeasuredSpan]:
    """Yield what is seen of a simulated market day by day, before it becomes records.

    Parameters
    ----------
    parameters : MarketParameters
        The market and the span.

    Yields
    ------
    MeasuredSpan
        A day, or what is left of the span; the days of warm-up are not seen.

    Raises
    ------
    InputRejected
        If a price left the range of the grid.
    """
    start = parameters.start.astimezone(UTC)
    prices = PriceProcess(parameters)
    instruments, books = _make_books(parameters)
    drift = _LeverageDrift(parameters)
    last_day = -(-parameters.hours // 24)
    for day in range(-parameters.warm_up_days, last_day):
        opening_lots = np.array([book.open_interest_lots for book in books])
        opening_mark = np.array([exp(book.ledger.levels[at.MARK_LOG]) for book in books])
        paths = prices.advance_day(
            {
                name: _generator(parameters.seed, "index", name, day)
                for name in ("market", *(asset.name for asset in parameters.assets))
            }
        )
        _check_paths(parameters, paths, day)
        tilt = drift.advance_day(day)
        for item, book in zip(instruments, books, strict=True):
            book.contract = tilt_leverage(item.contract, tilt)
        hours = min(24, parameters.hours - 24 * day)
        measured = [
            (item, _trade_day(parameters.seed, item, book, paths[item.asset.name], day, hours))
            for item, book in zip(instruments, books, strict=True)
        ]
        if day >= 0:
            yield MeasuredSpan(start + timedelta(days=day), measured, opening_lots, opening_mark)
