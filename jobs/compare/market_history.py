"""Volatility and volume before each map, from the hourly bars of its venue."""

import math
from dataclasses import dataclass

import numpy as np
from duckdb import DuckDBPyConnection

from jobs.build.hourly_maps import ALL_VENUES
from jobs.compare.map_set import MapGroups
from jobs.instants import HOUR_MICROSECONDS, to_instant
from transforms.series import FloatArray, IntArray
from transforms.touch import MONTH_SECONDS, blend_volatility, trailing_volatility, weekend_change
from warehouse.models import set_window
from warehouse.queries import named_query

# Hours of squared returns behind the fast volatility: ten half-lives, beyond which a thousandth of
# the weight lies; and behind the slow one.
_FAST_HOURS = 240
_SLOW_HOURS = round(MONTH_SECONDS / 3600.0)
_VOLUME_HOURS = 24

# Hours of returns that odds need.
_LEAST_HOURS = 24


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """The market before the map of each entry.

    Parameters
    ----------
    volatility_day, volatility_month : ndarray of float64, shape (n_entries,)
        Standard deviation of the log return over a day [ln per sqrt day]: of the last ten days
        with a half-life of 24 hours, and plainly of the last 30 days. NaN: not known.
    hour_count : ndarray of int64, shape (n_entries,)
        Hours of the last 30 days whose returns are known.
    volume_day_usd : ndarray of float64, shape (n_entries,)
        Traded in a day [USD]. NaN: not known.
    weekend_change : ndarray of float64, shape (n_entries,)
        How much more of the next day is weekend than of the time behind the volatilities [ratio].
    """

    volatility_day: FloatArray
    volatility_month: FloatArray
    hour_count: IntArray
    volume_day_usd: FloatArray
    weekend_change: FloatArray

    @property
    def volatility_ahead(self) -> FloatArray:
        """Volatility behind the odds [ln per sqrt day]; NaN where too few hours are known."""
        blended = blend_volatility(self.volatility_day, self.volatility_month, self.weekend_change)
        return np.where(self.hour_count >= _LEAST_HOURS, blended, np.nan)

    def take(self, entries: IntArray) -> "MarketHistory":
        """Return the history of some entries."""
        return MarketHistory(
            self.volatility_day[entries],
            self.volatility_month[entries],
            self.hour_count[entries],
            self.volume_day_usd[entries],
            self.weekend_change[entries],
        )


def read_market_history(connection: DuckDBPyConnection, scopes: MapGroups) -> MarketHistory:
    """Return volatility and volume before each entry's map, of its own venue.

    Volume is the mean of the known hours among the last 24, times 24.
    """
    labels = scopes.labels
    first = int(labels.hour.min()) - _SLOW_HOURS * HOUR_MICROSECONDS
    last = int(labels.hour.max())
    n_venues = len(labels.names("venue"))
    code = labels.codes("asset").astype(np.int64) * n_venues + labels.codes("venue")
    _, an_entry, row_of_entry = np.unique(code, return_index=True, return_inverse=True)
    scope_names = list(
        zip(labels.values("asset")[an_entry], labels.values("venue")[an_entry], strict=True)
    )
    squared, volume = _read_hours(connection, scope_names, first, last)
    fast = trailing_volatility(squared[:, _SLOW_HOURS - _FAST_HOURS :], 3600.0, _FAST_HOURS)
    slow = trailing_volatility(squared, 3600.0, _SLOW_HOURS, math.inf)
    known = np.cumsum(np.isfinite(squared), axis=1, dtype=np.int64)
    known[:, _SLOW_HOURS:] -= known[:, :-_SLOW_HOURS].copy()
    at = (row_of_entry, (labels.hour - first) // HOUR_MICROSECONDS - _SLOW_HOURS)
    return MarketHistory(
        volatility_day=fast[at],
        volatility_month=slow[at],
        hour_count=known[:, _SLOW_HOURS - 1 :][at],
        volume_day_usd=_daily_volume(volume)[:, _SLOW_HOURS - 1 :][at],
        weekend_change=weekend_change(labels.hour),
    )


def _read_hours(
    connection: DuckDBPyConnection, scopes: list[tuple[str, str]], first: int, last: int
) -> tuple[FloatArray, FloatArray]:
    """Return squared log returns and volume [USD], shape (n_scopes, n_hours); NaN: not known."""
    assets = sorted({asset for asset, _ in scopes})
    venues = sorted({venue for _, venue in scopes} - {ALL_VENUES})
    set_window(connection, assets, to_instant(first), to_instant(last))
    table = connection.execute(named_query("market_history"), {"venues": venues}).to_arrow_table()
    set_window(connection, None, None, None)
    row_of = {scope: row for row, scope in enumerate(scopes)}
    asset, venue = (table[name].combine_chunks().dictionary_encode() for name in ("asset", "venue"))
    row_of_codes = np.array(
        [
            [row_of.get((one, other), -1) for other in venue.dictionary.to_pylist()]
            for one in asset.dictionary.to_pylist()
        ],
        dtype=np.int64,
    ).reshape(len(asset.dictionary), len(venue.dictionary))
    row = row_of_codes[asset.indices.to_numpy(), venue.indices.to_numpy()]
    column = (table["hour"].to_numpy() - first) // HOUR_MICROSECONDS - 1
    known = row >= 0
    values = np.full((2, len(scopes), (last - first) // HOUR_MICROSECONDS), np.nan)
    for number, name in enumerate(("squared_log_return", "volume_usd")):
        values[number, row[known], column[known]] = table[name].to_numpy()[known]
    return values[0], values[1]


def _daily_volume(volume: FloatArray) -> FloatArray:
    """Return the volume of a day at the mean of the known hours among the last 24."""
    total, known = np.zeros_like(volume), np.zeros_like(volume)
    for age in range(_VOLUME_HOURS):
        past = volume[:, : volume.shape[1] - age]
        total[:, age:] += np.nan_to_num(past)
        known[:, age:] += np.isfinite(past)
    return np.asarray(total / np.where(known > 0, known, np.nan) * _VOLUME_HOURS)
