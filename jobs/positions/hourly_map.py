"""The map of measured positions at an hour: landed with what it rests on, or not at all.

Belongs here: the rules by which an hour has a map, and the form in which it lands. Does not belong
here: which states count and where they lie (`transforms.positions.measured_map`), collecting them.

No address leaves the account book: what lands are sums by price.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from jobs.collect.landing import apart_by_names, land
from jobs.errors import JobError
from jobs.instants import HOUR_MICROSECONDS, to_microseconds
from jobs.positions.book_records import HeldPositions
from jobs.settings import Settings
from sources.accounts.info_client import CoinContext
from sources.providers.declared.hyperliquid_positions import COLLECTED, PROVIDER, VENUE
from sources.records import Batch, make_batch
from transforms.grid import bin_edges
from transforms.positions.measured_map import (
    MAX_SILENCE_SECONDS,
    MeasuredMaps,
    MeasuredPositions,
    map_positions,
    seconds_of_silence,
)
from transforms.series import LONG, SHORT, SIDES, FloatArray, IntArray

logger = logging.getLogger(__name__)

SOURCE = PROVIDER.name

Contexts = Mapping[str, Mapping[str, CoinContext]]
"""By dex and coin; the venue's own dex is the empty text."""

WARM_UP = timedelta(days=1)
"""Until accounts have been collected for so long, a map is still filling."""

_LEVERAGE_COLUMNS = (
    "up_to_3x_quantity",
    "up_to_5x_quantity",
    "up_to_10x_quantity",
    "up_to_20x_quantity",
    "above_20x_quantity",
)


@dataclass(frozen=True, slots=True)
class MapReport:
    """What became of the map of an hour.

    Parameters
    ----------
    at : datetime
        The hour.
    assets : int
        Assets that have a map.
    cells : int
        Cells of their maps.
    positions : int
        Positions whose state counts, those without a liquidation price among them.
    without_mark : tuple of str
        Assets with positions but no mark price: renamed, delisted, or on a dex that did not answer.
    reason : str or None
        Why there is no map; None where there is one.
    """

    at: datetime
    assets: int = 0
    cells: int = 0
    positions: int = 0
    without_mark: tuple[str, ...] = ()
    reason: str | None = None


def land_hourly_map(
    settings: Settings,
    positions: HeldPositions,
    contexts: Contexts,
    at: datetime,
) -> MapReport:
    """Land the map of all positions as last seen at an hour, and its coverage.

    There is no map where no position is known, where no account was seen in the hour before, or
    where the venue's own mark prices are not known: the report then has the reason and nothing
    lands. Repeated for an hour that has landed, it leaves the files as they are.

    Parameters
    ----------
    settings : Settings
        Where to land.
    positions : HeldPositions
        As known at the hour.
    contexts : mapping of str to mapping of str to CoinContext
        By dex and coin; a dex that did not answer is absent.
    at : datetime
        A full hour, UTC.

    Raises
    ------
    JobError
        `at` is not a full hour.
    """
    if to_microseconds(at) % HOUR_MICROSECONDS:
        raise JobError(f"a map is of a full hour, not of {at.isoformat()}; give the hour")
    known = {one.asset: one for coins in contexts.values() for one in coins.values()}
    priced = sorted(name for name, one in known.items() if one.mark_price > 0)
    held, names, without_mark = _number_assets(positions, priced, at)
    reason = _reason_for_none(positions, held, contexts, at)
    if reason is not None:
        logger.warning("%s: no map of measured positions: %s", at.isoformat(), reason)
        return MapReport(at, without_mark=without_mark, reason=reason)
    marks = np.array([known[name].mark_price for name in names])
    open_interest = np.array([known[name].open_interest_quantity for name in names])
    maps = map_positions(held, marks)
    hour = _Hour(at, names, marks, open_interest, _warm_up_seconds(at, positions.first_seen_at))
    # Coverage first: a map never is without it.
    for name, batch in _named((hour.coverage(maps), hour.cells(maps)), at):
        land(batch, settings.landing, name)
    report = MapReport(
        at,
        assets=len(np.unique(maps.asset)),
        cells=len(maps.asset),
        positions=int(maps.coverage.positions.sum()),
        without_mark=without_mark,
    )
    logger.info(
        "%s: map of %d assets from %d positions", at.isoformat(), report.assets, report.positions
    )
    return report


def _number_assets(
    positions: HeldPositions, priced: list[str], at: datetime
) -> tuple[MeasuredPositions, list[str], tuple[str, ...]]:
    """Return the positions of assets with a mark price, these assets, and those without."""
    names, number = np.unique(positions.asset, return_inverse=True)
    is_priced = np.isin(names, priced)
    place = np.cumsum(is_priced) - 1
    age = (np.datetime64(to_microseconds(at), "us") - positions.observed_at) / np.timedelta64(
        1, "s"
    )
    held = MeasuredPositions(
        asset=place[number],
        side=np.where(positions.side == SIDES[SHORT], SHORT, LONG),
        quantity=positions.quantity,
        liquidation_price=positions.liquidation_price,
        leverage=positions.leverage,
        is_cross=positions.is_cross,
        account=positions.account_id,
        age_seconds=age,
        # NaT compares as false.
        has_traded_since=positions.traded_at > positions.observed_at,
    )
    return (
        held.take(is_priced[number]),
        names[is_priced].tolist(),
        tuple(names[~is_priced].tolist()),
    )


def _reason_for_none(
    positions: HeldPositions, held: MeasuredPositions, contexts: Contexts, at: datetime
) -> str | None:
    """Return why an hour has no map; None where it has one."""
    if not contexts.get(""):
        return "no mark prices of the venue's own contracts: the venue did not answer"
    if len(positions) == 0:
        return "no position is known yet; accounts are found by their trades and in public lists"
    if len(held) == 0:
        return "no mark price of any asset with positions: the venue's answer held none"
    silence = seconds_of_silence(held.age_seconds)
    if silence > MAX_SILENCE_SECONDS:
        since = "ever" if silence == np.inf else f"for {silence / 60:.0f} min before {at:%H:%M}"
        return f"no account was seen {since}: the states are stale; look at `liqheat status`"
    return None


def _decimal(price: FloatArray) -> FloatArray:
    """Return prices rounded to 10 digits, which a database stores in half the room.

    Re-binned (`transforms.rebin`) they still end on the edges of their bins.
    """
    scale = 10.0 ** (9 - np.floor(np.log10(price)))
    rounded: FloatArray = np.round(price * scale) / scale
    return rounded


def _warm_up_seconds(at: datetime, since: datetime | None) -> float | None:
    """Return the time since the first account was found, None after the first day."""
    return None if since is None or at - since >= WARM_UP else (at - since).total_seconds()


@dataclass(frozen=True, slots=True)
class _Hour:
    """An hour and the assets that have a mark price at it.

    Parameters
    ----------
    at : datetime
        The hour, UTC.
    names : list of str
        Assets, in order of their numbers.
    mark_price, open_interest : ndarray of float64, shape (n_assets,)
        Mark price [USD per unit of the asset]; open interest, one side [units of the asset], NaN
        where not known.
    warm_up_seconds : float or None
        Time since the first account was found, within the first day.
    """

    at: datetime
    names: list[str]
    mark_price: FloatArray
    open_interest: FloatArray
    warm_up_seconds: float | None

    def cells(self, maps: MeasuredMaps) -> Batch:
        """Return the maps as records, the end of each side also where it is empty."""
        # A cell of 0 at either end: between them the map is known, and 0 where it has no cell.
        mapped = np.unique(maps.asset)
        ends = (maps.first_bin, maps.first_bin + maps.bin_count - 1)
        asset = np.concatenate((maps.asset, mapped, mapped))
        side = np.concatenate((maps.side, *(np.full(len(mapped), one) for one in (LONG, SHORT))))
        bins = np.concatenate((maps.bin_index, *(end[mapped] for end in ends)))
        value = np.concatenate((maps.value_usd, np.zeros(2 * len(mapped))))
        order = np.lexsort((bins, side, asset))
        asset, side, bins, value = asset[order], side[order], bins[order], value[order]
        low, high = bin_edges(bins)
        ratio = maps.coverage.observed / self.open_interest[:, None]
        content = b"".join(part.tobytes() for part in (asset, side, bins, value))
        return make_batch(
            "provider_map",
            len(asset),
            self._shared(asset, side)
            | {
                "model": COLLECTED,
                "price_low": _decimal(low),
                "price_high": _decimal(high),
                "value": np.round(value, 2),
                "unit": PROVIDER.unit,
                "semantics": PROVIDER.semantics,
                "reference_price": self.mark_price[asset],
                "observed_open_interest_ratio": ratio[asset, side],
                "raw_sha256": hashlib.sha256(content).hexdigest(),
            },
        )

    def coverage(self, maps: MeasuredMaps) -> Batch:
        """Return what the maps rest on as records, one a side of each asset."""
        n_assets = len(self.names)
        asset = np.repeat(np.arange(n_assets), len(SIDES))
        side = np.tile((LONG, SHORT), n_assets)
        found = maps.coverage
        quantities = {
            "observed_quantity": found.observed,
            "mapped_quantity": found.mapped,
            "without_price_quantity": found.without_price,
            "beyond_reach_quantity": found.beyond_reach,
            "passed_quantity": found.passed,
            "stale_quantity": found.stale,
            "cross_quantity": found.cross,
            "traded_since_quantity": found.traded_since,
            "age_p50_seconds": found.age_p50_seconds,
            "age_p90_seconds": found.age_p90_seconds,
            "age_max_seconds": found.age_max_seconds,
            "within_hour_ratio": found.within_hour_ratio,
            "accounts": found.accounts,
            "positions": found.positions,
        } | {name: found.by_leverage[..., number] for number, name in enumerate(_LEVERAGE_COLUMNS)}
        return make_batch(
            "position_coverage",
            len(asset),
            self._shared(asset, side)
            | {name: values.ravel() for name, values in quantities.items()}
            | {
                "open_interest_quantity": self.open_interest[asset],
                "mark_price": self.mark_price[asset],
                "collecting_seconds": self.warm_up_seconds,
            },
        )

    def _shared(self, asset: IntArray, side: IntArray) -> dict[str, object]:
        names = np.array(self.names, dtype=object)
        return {
            "provider": PROVIDER.name,
            "venue_scope": VENUE,
            "asset": names[asset],
            "as_of": self.at,
            "side": np.array(SIDES, dtype=object)[side],
            "source": SOURCE,
            # Repeated for the same states it lands the same rows.
            "ingested_at": self.at,
        }


def _named(batches: Iterable[Batch], at: datetime) -> Iterator[tuple[str, Batch]]:
    """Yield the batches under names that depend on the hour alone, bad names of assets apart."""
    digest = hashlib.sha256(f"{PROVIDER.name} {COLLECTED} {at.isoformat()}".encode()).hexdigest()
    name = f"-{at:%Y%m%dT%H%M%SZ}-{digest[:12]}"
    for whole in batches:
        for batch, suffix in apart_by_names(whole):
            yield f"{PROVIDER.name}{suffix}{name}", batch
