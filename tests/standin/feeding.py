"""Where a market for the stand-in comes from: a generator, landed records, or recorded hours.

Belongs here: building `MarketData`. Does not belong here: serving it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from standin.market_data import (
    ASSETS,
    HOUR,
    MINUTE,
    Instrument,
    MarketData,
    Series,
    Times,
    Values,
    specify,
)

Columns = tuple[Values, Values, Values, Values]  # open, high, low, close

INVERSE_VENUES = ("binance", "bybit", "okx", "gate", "htx", "kucoin", "mexc", "deribit")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often things happen in a synthetic market."""

    bar_milliseconds: int = 5 * MINUTE
    liquidations_per_day: float = 48.0


EVERY_FIVE_MINUTES = Pace()


def synthetic_market(
    *,
    start: int,
    end: int,
    venues: Sequence[str] = ("binance",),
    assets: Mapping[str, float] | None = None,
    inverse_assets: Sequence[str] = (),
    pace: Pace = EVERY_FIVE_MINUTES,
    seed: int = 0,
) -> MarketData:
    """Return a market of random walks whose books agree: no bar changes open interest above volume.

    Parameters
    ----------
    start, end : int
        First bar's open and last bar's end [ms].
    assets : mapping of str to float
        First price of each asset [USD]; three large ones by default.
    inverse_assets : sequence of str
        Assets that also get an inverse contract, on the venues that list them.
    """
    first_prices = assets if assets is not None else {k: ASSETS[k] for k in ("BTC", "ETH", "SOL")}
    market = MarketData()
    for asset, first_price in first_prices.items():
        path = _random_walk(first_price, start, end, pace.bar_milliseconds, _generator(seed, asset))
        # Venues with the same tick share their prices, and so their arrays.
        prices: dict[float, tuple[Columns, Columns]] = {}
        for venue in venues:
            kinds = [False]
            if asset in inverse_assets and venue in INVERSE_VENUES:
                kinds.append(True)
            for is_inverse in kinds:
                instrument = specify(venue, asset, first_price, is_inverse=is_inverse)
                tick = float(f"{instrument.tick_size / instrument.base_multiplier:.12g}")
                if tick not in prices:
                    prices[tick] = _quoted(path, tick)
                rng = _generator(seed, asset, venue, is_inverse)
                market.add(_trade(instrument, prices[tick], start, pace, rng))
    return market


def _generator(*words: object) -> np.random.Generator:
    """Return the generator of one thing, keyed by its name, so that others do not change it."""
    key = "/".join(str(word) for word in words)
    return np.random.default_rng(int(sha256(key.encode()).hexdigest(), 16))


def _random_walk(
    first_price: float, start: int, end: int, step: int, rng: np.random.Generator
) -> Columns:
    """Return open, high, low, close of a geometric walk of about 3 % a day."""
    count = (end - start) // step
    deviation = 0.03 * np.sqrt(step / (24 * HOUR))
    closes = first_price * np.exp(np.cumsum(rng.normal(0.0, deviation, count)))
    opens = np.concatenate([[first_price], closes[:-1]])
    spread = np.abs(rng.normal(0.0, deviation / 2, (2, count)))
    highs = np.maximum(opens, closes) * np.exp(spread[0])
    lows = np.minimum(opens, closes) * np.exp(-spread[1])
    return opens, highs, lows, closes


def _round_to(values: Values, step: float) -> Values:
    """Return values on a decimal grid, each the nearest float to its decimal."""
    decimals = max(0, round(-np.log10(step)) + 1)
    return np.asarray(np.round(np.round(values / step) * step, decimals), dtype=np.float64)


def _quoted(path: Columns, tick: float) -> tuple[Columns, Columns]:
    """Return last and mark prices on a tick, the mark up to 2 bps beside the last price."""
    basis = 1 + 2e-4 * np.sin(np.arange(len(path[0])) / 7)
    opens, highs, lows, closes = (_round_to(column, tick) for column in path)
    mark = [_round_to(column * basis, tick) for column in path]
    ends = np.maximum.reduce(mark), np.minimum.reduce(mark)
    return (opens, highs, lows, closes), (mark[0], *ends, mark[3])


def _trade(
    instrument: Instrument,
    prices: tuple[Columns, Columns],
    start: int,
    pace: Pace,
    rng: np.random.Generator,
) -> Series:
    """Return one instrument's series along last and mark prices, amounts in whole contracts."""
    last, mark = prices
    opens, highs, lows, closes = last
    count, step = len(opens), pace.bar_milliseconds
    bar_start = start + step * np.arange(count, dtype=np.int64)
    price = float(opens[0])
    # Position units of one contract.
    size = instrument.contract_size * instrument.base_multiplier
    unit_usd = size * (1.0 if instrument.is_inverse else price)
    typical = 5e7 / unit_usd * (0.5 + rng.random())
    volume = np.ceil(typical * step / (24 * HOUR) * 3 * np.exp(rng.normal(0.0, 0.6, count))) + 2
    change = np.round(volume * np.clip(rng.normal(0.0, 0.15, count), -0.6, 0.6))
    open_interest = np.maximum(np.ceil(typical) + np.concatenate([[0.0], np.cumsum(change)]), 1.0)
    taker_buy = np.floor(volume * np.clip(0.5 + rng.normal(0.0, 0.1, count), 0.05, 0.95))
    interval = instrument.funding_interval_hours * HOUR
    end = start + step * count
    funding_at = np.arange(-(-start // interval) * interval, end + 1, interval, dtype=np.int64)
    hits = rng.poisson(pace.liquidations_per_day * (end - start) / (24 * HOUR))
    liquidation_at = np.sort(rng.integers(start + 1, max(end, start + 2), hits))
    bar_of = np.minimum((liquidation_at - start) // step, count - 1)
    is_long = rng.random(hits) < 0.5
    return Series(
        instrument=instrument,
        bar_milliseconds=step,
        bar_start=bar_start,
        open=opens,
        high=highs,
        low=lows,
        close=closes,
        volume=np.round(volume * size, 10),
        taker_buy=np.round(taker_buy * size, 10),
        trades=np.asarray(rng.integers(1, 2000, count), dtype=np.int64),
        mark_open=mark[0],
        mark_high=mark[1],
        mark_low=mark[2],
        mark_close=mark[3],
        open_interest_at=start + step * np.arange(count + 1, dtype=np.int64),
        open_interest=np.round(open_interest * size, 10),
        long_short_ratio=_round_to(np.exp(rng.normal(0.0, 0.2, count + 1)), 1e-4),
        funding_at=funding_at,
        funding_rate=np.round(rng.normal(1e-4, 1e-4, len(funding_at)), 8),
        liquidation_at=np.asarray(liquidation_at, dtype=np.int64),
        liquidation_is_long=is_long,
        liquidation_price=np.where(is_long, lows[bar_of], highs[bar_of]),
        liquidation_quantity=np.round(size * np.asarray(rng.integers(1, 500, hits)), 10),
    )


def refined(series: Series, step: int) -> Series:
    """Return a series of finer bars that add up to the same ones, for coarse recordings.

    Within a bar the price goes open, low, high, close (rising bars) or open, high, low, close, in
    straight lines; volume is spread evenly and open interest in a straight line.
    """
    factor = series.bar_milliseconds // step
    if factor < 3 or factor % 3 or series.bar_milliseconds % step:
        raise ValueError(
            f"bars of {series.bar_milliseconds} ms cannot be split into {step} ms: "
            "the ratio must be a multiple of 3"
        )

    def split(opens: Values, highs: Values, lows: Values, closes: Values) -> list[Values]:
        rises = closes >= opens
        turns = np.stack(
            [opens, np.where(rises, lows, highs), np.where(rises, highs, lows), closes], axis=1
        )
        at = np.linspace(0.0, 3.0, factor + 1)
        left = np.minimum(at.astype(int), 2)
        path = turns[:, left] + (turns[:, left + 1] - turns[:, left]) * (at - left)
        first, last = path[:, :-1].ravel(), path[:, 1:].ravel()
        return [first, np.maximum(first, last), np.minimum(first, last), last]

    last_price = split(series.open, series.high, series.low, series.close)
    mark = split(series.mark_open, series.mark_high, series.mark_low, series.mark_close)
    starts = (series.bar_start[:, None] + step * np.arange(factor)).ravel()
    samples = np.arange(series.open_interest_at[0], series.open_interest_at[-1] + 1, step)
    return replace(
        series,
        bar_milliseconds=step,
        bar_start=starts,
        open=last_price[0],
        high=last_price[1],
        low=last_price[2],
        close=last_price[3],
        volume=np.repeat(series.volume / factor, factor),
        taker_buy=np.repeat(series.taker_buy / factor, factor),
        trades=np.repeat(series.trades // factor, factor),
        mark_open=mark[0],
        mark_high=mark[1],
        mark_low=mark[2],
        mark_close=mark[3],
        open_interest_at=samples,
        open_interest=np.interp(samples, series.open_interest_at, series.open_interest),
        long_short_ratio=np.ones(len(samples)),
        _frames={},
        _samples={},
    )


def _milliseconds(column: Any) -> Times:
    """Return a pandas column of instants, UTC where it names no zone, as milliseconds."""
    import pandas as pd

    instants = pd.to_datetime(column, utc=True).dt.tz_convert(None)
    return np.asarray(instants.to_numpy().astype("datetime64[ms]").astype(np.int64))


def market_from_batches(
    batches: Iterable[Any], *, venues: Mapping[str, str] | None = None, listed_at: int = 0
) -> MarketData:
    """Return a market of landed records, `sources.records.Batch` or anything with kind and table.

    Parameters
    ----------
    venues : mapping of str to str, optional
        Which venue speaks for which of the records, ``{"sim_alpha": "binance"}``; records of
        others are left out. Left out itself, each speaks for itself. Linear contracts get the
        quote the venue has (USDC on hyperliquid and deribit).

    Needs ``ohlcv``; takes ``instrument``, ``mark_ohlc``, ``open_interest``, ``funding_rate``,
    ``leverage_bracket`` (the first), ``long_short_ratio`` (of accounts) and
    ``realised_liquidation`` where there. Where a mark is missing, the last price stands in for it.
    """
    tables: dict[str, list[Any]] = {}
    for batch in batches:
        tables.setdefault(batch.kind, []).append(batch.table.to_pandas())
    if "ohlcv" not in tables:
        raise ValueError(f"no ohlcv among the batches' kinds {sorted(tables)}; land bars first")
    key = ["venue", "instrument"]

    def grouped(kind: str) -> dict[tuple[str, str], Any]:
        rows: dict[tuple[str, str], list[Any]] = {}
        for frame in tables.get(kind, ()):
            for name, part in frame.groupby(key, sort=False):
                rows.setdefault(name, []).append(part)
        return {
            name: parts[0] if len(parts) == 1 else _stacked(parts) for name, parts in rows.items()
        }

    kinds = {
        kind: grouped(kind)
        for kind in (
            "instrument", "ohlcv", "mark_ohlc", "open_interest", "funding_rate",
            "leverage_bracket", "long_short_ratio", "realised_liquidation",
        )
    }  # fmt: skip
    market = MarketData()
    for (venue, symbol), bars in kinds["ohlcv"].items():
        if venues is not None and venue not in venues:
            continue
        found = {kind: rows.get((venue, symbol)) for kind, rows in kinds.items()}
        speaker = venue if venues is None else venues[venue]
        market.add(_series_from_records(speaker, symbol, bars, found, listed_at))
    return market


def _stacked(parts: list[Any]) -> Any:
    import pandas as pd

    return pd.concat(parts, ignore_index=True)


def _sorted(rows: Any, column: str) -> tuple[Any, Times]:
    """Return rows in time order, the newest of equal times, and those times."""
    rows = rows.sort_values(column, kind="stable").drop_duplicates(column, keep="last")
    return rows, _milliseconds(rows[column])


def _series_from_records(
    venue: str, symbol: str, bars: Any, found: Mapping[str, Any], listed_at: int
) -> Series:
    step = int(bars["bar_seconds"].min()) * 1000
    bars, starts = _sorted(bars[bars["bar_seconds"] * 1000 == step], "bar_start_at")

    def column(rows: Any, name: str) -> Values:
        return np.array(rows[name], dtype=np.float64)

    closes = column(bars, "close")
    base, _, rest = symbol.partition("/")
    is_inverse = rest.partition(":")[2] == base
    instrument = specify(venue, base, float(closes[0]), is_inverse=is_inverse, listed_at=listed_at)
    if not is_inverse:
        instrument = replace(instrument, symbol=f"{base}/{instrument.quote}:{instrument.quote}")
    if (rows := found["instrument"]) is not None:
        row = rows.iloc[-1]
        multiplier = float(row["base_multiplier"])
        size = float(row["contract_size"])
        instrument = replace(
            instrument,
            # Records give asset units a contract; a venue quotes units of its own base.
            contract_size=size if is_inverse else size / multiplier,
            base_multiplier=multiplier,
            tick_size=float(row["tick_size"] or instrument.tick_size),
        )
    if (rows := found["leverage_bracket"]) is not None:
        first = rows[rows["bracket"] == 1].iloc[-1]
        instrument = replace(
            instrument,
            max_leverage=int(first["max_leverage"]),
            maintenance_margin_ratio=float(first["maintenance_margin_ratio"]),
        )
    series = Series(
        instrument=instrument,
        bar_milliseconds=step,
        bar_start=starts,
        open=column(bars, "open"),
        high=column(bars, "high"),
        low=column(bars, "low"),
        close=closes,
        volume=column(bars, "volume_quantity"),
        taker_buy=np.nan_to_num(column(bars, "taker_buy_quantity")),
        trades=np.nan_to_num(column(bars, "trade_count")).astype(np.int64),
        mark_open=column(bars, "open"),
        mark_high=column(bars, "high"),
        mark_low=column(bars, "low"),
        mark_close=closes.copy(),
    )
    if (rows := found["mark_ohlc"]) is not None:
        rows, at = _sorted(rows[rows["bar_seconds"] * 1000 == step], "bar_start_at")
        place = np.searchsorted(starts, at)
        known = (place < len(starts)) & (starts[np.minimum(place, len(starts) - 1)] == at)
        for name in ("mark_close", "mark_open", "mark_high", "mark_low"):
            values = column(rows, name)
            values = np.where(np.isnan(values), column(rows, "mark_close"), values)
            getattr(series, name)[place[known]] = values[known]
    if (rows := found["open_interest"]) is not None:
        rows, series.open_interest_at = _sorted(rows, "observed_at")
        series.open_interest = column(rows, "open_interest_quantity")
        if (ratios := found["long_short_ratio"]) is not None:
            ratios, at = _sorted(ratios[ratios["measure"] == "accounts"], "observed_at")
            series.long_short_ratio = np.interp(
                series.open_interest_at, at, column(ratios, "long_short_ratio")
            )
    if (rows := found["funding_rate"]) is not None:
        rows, series.funding_at = _sorted(rows, "funded_at")
        series.funding_rate = column(rows, "funding_rate_ratio")
        interval = column(rows, "funding_interval_hours")
        if len(interval) and not np.isnan(interval[-1]):
            series.instrument = replace(instrument, funding_interval_hours=int(interval[-1]))
    if (rows := found["realised_liquidation"]) is not None:
        _add_liquidations(series, rows, column)
    return series


def _add_liquidations(series: Series, rows: Any, column: Any) -> None:
    """Add single orders, and totals of periods as one order each at the period's last moment."""
    quantity, usd = column(rows, "liquidated_quantity"), column(rows, "liquidated_usd")
    length = np.asarray(rows["period_seconds"], dtype=np.int64) * 1000
    at = _milliseconds(rows["period_start_at"]) + np.maximum(length - 1, 0)
    price = column(rows, "price")
    if not series.instrument.is_inverse:
        with np.errstate(invalid="ignore", divide="ignore"):
            price = np.where(np.isnan(price), usd / quantity, price)
    price = np.where(np.isfinite(price), price, series.prices_at(at.tolist()))
    kept = quantity > 0
    order = np.argsort(at[kept], kind="stable")
    series.liquidation_at = at[kept][order]
    series.liquidation_is_long = np.asarray(rows["side"] == "long", dtype=np.bool_)[kept][order]
    series.liquidation_price = price[kept][order]
    series.liquidation_quantity = quantity[kept][order]


def market_from_recording(
    folder: Path,
    *,
    start: int,
    end: int,
    venues: Sequence[str] = ("binance", "bybit", "okx", "gate"),
    assets: Sequence[str] = tuple(ASSETS),
    bar_milliseconds: int = 5 * MINUTE,
) -> MarketData:
    """Return recorded hours of `market_1h` Parquet files, split into finer bars.

    Recorded open interest of bybit and gate counts both sides, as those venues publish it; gate's
    label is the start of the hour whose end it describes. Funding is what stood at the hours of
    settlement. Hours without a bar are gaps.
    """
    import pyarrow.parquet as pq

    market = MarketData()
    for venue in venues:
        for asset in assets:
            rows = pq.read_table(folder / f"{venue}_{asset}_1h.parquet").to_pandas()
            if "timestamp" not in rows.columns:
                rows = rows.reset_index()
            at = _milliseconds(rows["timestamp"])
            suffix = "" if venue == "bybit" else f"_perp_{venue}"
            wanted = (at >= start) & (at < end)
            has_bar = wanted & rows[f"close{suffix}"].notna().to_numpy()

            def column(name: str, mask: Any, rows: Any = rows) -> Values:
                values: Values = np.asarray(rows[name], dtype=np.float64)[mask]
                return values

            opens, highs, lows, closes = (
                column(f"{name}{suffix}", has_bar) for name in ("open", "high", "low", "close")
            )
            instrument = specify(venue, asset, float(closes[0]))
            volume = column(f"volume{suffix}", has_bar)
            if venue in ("okx", "gate"):
                volume = volume * instrument.contract_size
            if venue == "bybit":
                mark_close, open_interest = closes, column("open_interest", wanted) / 2
                funding_name = "funding_rate"
            else:
                marks = rows[f"mark_price_{venue}"].fillna(rows[f"close{suffix}"])
                mark_close = np.asarray(marks, dtype=np.float64)[has_bar]
                sides = 2.0 if venue == "gate" else 1.0
                open_interest = (
                    column(f"open_interest_usd_{venue}", wanted)
                    / np.asarray(marks, dtype=np.float64)[wanted]
                    / sides
                )
                funding_name = f"funding_rate_raw_{venue}"
            sample_at = at[wanted] + (HOUR if venue == "gate" else 0)
            known = ~np.isnan(open_interest)
            funding = np.asarray(rows[funding_name], dtype=np.float64)
            settled = wanted & (at % (8 * HOUR) == 0) & ~np.isnan(funding)
            shift = mark_close - closes
            hourly = Series(
                instrument=instrument,
                bar_milliseconds=HOUR,
                bar_start=at[has_bar],
                open=opens,
                high=highs,
                low=lows,
                close=closes,
                volume=volume,
                taker_buy=volume / 2,
                trades=np.full(len(closes), 1200, dtype=np.int64),
                mark_open=opens + shift,
                mark_high=highs + shift,
                mark_low=lows + shift,
                mark_close=mark_close,
                open_interest_at=sample_at[known],
                open_interest=open_interest[known],
                funding_at=at[settled],
                funding_rate=funding[settled],
            )
            is_hourly = bar_milliseconds == HOUR
            market.add(hourly if is_hourly else refined(hourly, bar_milliseconds))
    return market
