"""A random market in the marts that alerts read: prices, bands, grades, with gaps and unknowns.

Belongs here: filling the tables so that every condition holds somewhere and fails elsewhere. Does
not belong here: what rules find in them; a market whose truth is known (``sources.simulated``).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb
import numpy as np
from numpy.typing import NDArray

from workbench.alert_marts import add_columns

VENUES = ("binance", "bybit", "okx")
PROVIDERS = ("turnover", "consensus")

Floats = NDArray[np.float64]


class AlertMarket:
    """Some assets over some hours.

    Parameters
    ----------
    assets : sequence of str
        Their names.
    start : datetime
        The first hour, a midnight, UTC.
    hour_count : int
        How many hours.
    seed : int
        Of the generator.
    """

    def __init__(
        self, assets: Sequence[str], start: datetime, hour_count: int, seed: int = 1
    ) -> None:
        self.assets = list(assets)
        self.hours = [start + timedelta(hours=n) for n in range(hour_count)]
        self._random = np.random.default_rng(seed)
        shape = (len(self.assets), hour_count)
        steps = self._random.standard_t(3, shape) * 0.008
        self._close = 100.0 * np.exp(np.cumsum(steps, axis=1))

    def fill(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add the market to the marts."""
        self._fill_context(connection)
        self._fill_bands(connection)
        self._fill_quality(connection)
        self._fill_open_interest(connection)
        self._fill_disagreement(connection)
        self._fill_skill(connection)
        self._fill_outlook(connection)
        self._fill_checks(connection)

    def _grid(self, *more: Sequence[object]) -> list[list[object]]:
        """Return a column for assets, one for hours, and one for each further axis."""
        axes: list[Sequence[object]] = [self.assets, self.hours, *more]
        index = np.indices([len(axis) for axis in axes]).reshape(len(axes), -1)
        return [
            [axis[at] for at in places.tolist()] for axis, places in zip(axes, index, strict=True)
        ]

    def _unknown(self, values: Floats, share: float) -> list[float | None]:
        """Return values as a column, a share of them NULL."""
        is_unknown = self._random.random(values.shape) < share
        pairs = zip(values.ravel().tolist(), is_unknown.ravel().tolist(), strict=True)
        return [None if unknown else value for value, unknown in pairs]

    def _fill_context(self, connection: duckdb.DuckDBPyConnection) -> None:
        assets, hours = self._grid()
        before = np.concatenate([self._close[:, :1], self._close[:, :-1]], axis=1)
        wick = np.abs(self._random.normal(0, 0.004, (2, *self._close.shape)))
        funding = np.cumsum(self._random.normal(0, 8e-5, self._close.shape), axis=1)
        rows = {
            "asset": assets,
            "as_of": hours,
            "price": self._close.ravel(),
            "open": before.ravel(),
            "high": (np.maximum(before, self._close) * (1 + wick[0])).ravel(),
            "low": (np.minimum(before, self._close) * (1 - wick[1])).ravel(),
            "funding_rate_8h_ratio": self._unknown(funding, 0.1),
            "funding_instrument_count": [3] * len(assets),
            "is_realised_liquidation_complete": [False] * len(assets),
        }
        for side in ("long", "short"):
            amount = self._random.lognormal(14, 1.5, self._close.shape)
            rows[f"realised_{side}_liquidation_usd"] = self._unknown(amount, 0.1)
        add_columns(connection, "marts.market_context_hourly", rows)

    def _fill_bands(self, connection: duckdb.DuckDBPyConnection) -> None:
        sides, ranks = ("long", "short"), (1, 2, 3, 4)
        assets, hours, providers, venues, side, rank = self._grid(
            PROVIDERS, ("all", "binance"), sides, ranks
        )
        shape = (*self._close.shape, len(PROVIDERS), 2, len(sides), len(ranks))
        price = np.broadcast_to(self._close[:, :, None, None, None, None], shape)
        below = np.broadcast_to(np.array([-1.0, 1.0])[:, None], shape)
        near = price * np.exp(below * self._random.exponential(0.05, shape))
        far = near * np.exp(below * self._random.uniform(0.001, 0.02, shape))
        held = self._random.lognormal(15, 1.5, shape)
        probability = np.clip(self._random.beta(0.6, 2.0, shape), 0.001, 1.0)
        # The consensus has no scale in USD; some bands are not there.
        has_scale = np.broadcast_to(np.array([True, False])[:, None, None, None], shape).ravel()
        kept = np.flatnonzero(self._random.random(price.size) < 0.6)
        amounts = {
            "liquidation_usd": held,
            "liquidation_q10_usd": held * 0.7,
            "liquidation_q90_usd": held * 1.5,
            "expected_forced_usd_24h": held * probability,
        }
        text = {"asset": assets, "as_of": hours, "provider": providers, "venue": venues}
        rows = {
            name: [values[row] for row in kept.tolist()]
            for name, values in (text | {"side": side, "rank": rank}).items()
        }
        numbers = {
            "price_low": np.minimum(near, far),
            "price_high": np.maximum(near, far),
            "price_peak": np.sqrt(near * far),
            "touch_probability_24h_ratio": probability,
            "side_share_ratio": held / held.sum(axis=-1, keepdims=True),
            "price": price,
        }
        for name, values in numbers.items():
            rows[name] = values.ravel()[kept]
        for name, values in amounts.items():
            scaled = zip(values.ravel()[kept].tolist(), has_scale[kept].tolist(), strict=True)
            rows[name] = [value if known else None for value, known in scaled]
        add_columns(connection, "marts.liquidation_bands_hourly", rows)

    def _fill_quality(self, connection: duckdb.DuckDBPyConnection) -> None:
        assets, hours = self._grid()
        kept = np.flatnonzero(self._random.random(len(assets)) < 0.97).tolist()
        steps = (self._random.random(self._close.shape) < 0.1).cumsum(axis=1)
        grades = np.array(list("ABAC"))[steps % 4].ravel()
        rows = {
            "asset": [assets[row] for row in kept],
            "as_of": [hours[row] for row in kept],
            "venue": ["all"] * len(kept),
            "grade": [str(grades[row]) for row in kept],
        }
        add_columns(connection, "marts.asset_quality_hourly", rows)
        assets, hours, venues = self._grid(VENUES)
        shape = (*self._close.shape, len(VENUES))
        kept = np.flatnonzero(self._random.random(len(assets)) < 0.9).tolist()
        rows = {
            "asset": [assets[row] for row in kept],
            "as_of": [hours[row] for row in kept],
            "venue": [venues[row] for row in kept],
            "grade": ["A"] * len(kept),
        }
        for kind in ("bar", "open_interest"):
            ages = self._unknown(self._random.lognormal(7, 1.5, shape), 0.05)
            rows[f"newest_{kind}_age_seconds"] = [ages[row] for row in kept]
        add_columns(connection, "marts.asset_quality_hourly", rows)
        feeds = [(asset, venue) for asset in self.assets for venue in VENUES]
        ended = [self.hours[0] if number % 7 == 0 else None for number in range(len(feeds))]
        rows = {
            "asset": [asset for asset, _ in feeds],
            "venue": [venue for _, venue in feeds],
            "kind": ["ohlcv"] * len(feeds),
            "expected_until_at": ended,
        }
        add_columns(connection, "marts.data_feeds", rows)

    def _fill_open_interest(self, connection: duckdb.DuckDBPyConnection) -> None:
        assets, hours, venues = self._grid(VENUES)
        shape = (*self._close.shape, len(VENUES))
        amount = 1e6 * np.exp(np.cumsum(self._random.normal(0, 0.02, shape), axis=1))
        kept = np.flatnonzero(self._random.random(len(assets)) < 0.9)
        rows = {
            "asset": [assets[row] for row in kept.tolist()],
            "as_of": [hours[row] for row in kept.tolist()],
            "venue": [venues[row] for row in kept.tolist()],
            "open_interest_base": amount.ravel()[kept],
            "open_interest_usd": amount.ravel()[kept] * 100.0,
            "is_set_apart": self._random.random(len(kept)) < 0.05,
        }
        add_columns(connection, "marts.venue_open_interest_hourly", rows)

    def _fill_disagreement(self, connection: duckdb.DuckDBPyConnection) -> None:
        assets, hours = self._grid()
        overlap = self._random.beta(4, 4, self._close.shape)
        rows = {
            "asset": assets,
            "as_of": hours,
            "overlap_mean_ratio": self._unknown(overlap, 0.1),
            "overlap_min_ratio": (overlap * 0.8).ravel(),
            "provider_count": [3] * len(assets),
            "furthest_provider_a": ["open_interest"] * len(assets),
            "furthest_provider_b": ["turnover"] * len(assets),
        }
        add_columns(connection, "marts.asset_disagreement_hourly", rows)

    def _days(self, *more: Sequence[object]) -> tuple[list[list[object]], int]:
        """Return columns for assets, midnights and further axes, and how many rows there are."""
        columns = self._grid(*more)
        is_midnight = [hour.hour == 0 for hour in columns[1]]  # type: ignore[attr-defined]
        days = [
            [value for value, kept in zip(column, is_midnight, strict=True) if kept]
            for column in columns
        ]
        return days, len(days[0])

    def _fill_skill(self, connection: duckdb.DuckDBPyConnection) -> None:
        nulls = ("training_mean", "path_only")
        (assets, days, providers, null, window), count = self._days(
            ("turnover", "path_ledger"), nulls, (7, 30)
        )
        removed = self._unknown(self._random.normal(0.1, 0.2, count), 0.2)
        rows = {
            "asset": assets,
            "as_of": days,
            "provider": providers,
            "null_model": null,
            "window_days": window,
            "status": ["scored" if value is not None else "no_feed" for value in removed],
            "reason": [None if value is not None else "no feed" for value in removed],
            "deviance_removed_ratio": removed,
            "deviance_removed_low_ratio": [v if v is None else v - 0.1 for v in removed],
            "deviance_removed_high_ratio": [v if v is None else v + 0.1 for v in removed],
        }
        add_columns(connection, "marts.estimator_skill_daily", rows)

    def _fill_outlook(self, connection: duckdb.DuckDBPyConnection) -> None:
        (assets, days, side), count = self._days(("long", "short"))
        amount = self._random.lognormal(15, 1.0, count)
        expected = self._unknown(amount, 0.1)
        rows = {
            "asset": assets,
            "as_of": days,
            "side": side,
            "provider": ["path_ledger"] * count,
            "expected_usd": expected,
            "expected_q10_usd": [v if v is None else v * 0.3 for v in expected],
            "expected_q90_usd": [v if v is None else v * 2.0 for v in expected],
            "reason": [None if v is not None else "no map" for v in expected],
        }
        add_columns(connection, "marts.liquidation_outlook_daily", rows)

    def _fill_checks(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Fail a critical check late, so that most hours are before it; a warning throughout."""
        late = self.hours[len(self.hours) * 3 // 4 :]
        rows: list[dict[str, object]] = [
            {"check_name": "book_balances", "severity": "warning", "asset": None, "as_of": hour}
            for hour in self.hours
        ]
        for asset, hour in zip(self.assets[::3], late, strict=False):
            whole = {"check_name": "map_sums", "severity": "critical", "as_of": hour}
            rows += [{**whole, "asset": None}, {**whole, "asset": asset}]
        rows.append(
            {"check_name": "schema", "severity": "critical", "asset": None, "as_of": late[-1]}
        )
        columns: dict[str, list[object]] = {name: [row[name] for row in rows] for name in rows[0]}
        columns |= {
            "suite": ["maps"] * len(rows),
            "success": [False] * len(rows),
            "unexpected_count": [2] * len(rows),
            "description": ["what the check requires"] * len(rows),
        }
        add_columns(connection, "quality.check_results", columns)
