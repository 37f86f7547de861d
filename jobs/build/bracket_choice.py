"""Which margin brackets are in force for a series, and since when: its own, or a default by size.

Belongs here: choosing brackets, and reporting the choice. Does not belong here: reading them from
a venue or a file (``sources``), the liquidation prices they imply (``transforms.margin``).

Instants are int64 microseconds since 1970, UTC.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from duckdb import DuckDBPyConnection

from jobs.instants import DAY_MICROSECONDS, to_instant
from transforms.errors import InvalidInput
from transforms.ladders import DEFAULT_LADDERS, default_ladder
from transforms.margin import Brackets
from transforms.series import FloatArray, IntArray
from warehouse.queries import named_query

logger = logging.getLogger(__name__)

# Imported brackets have this source, those a venue publishes its endpoint.
_USER_SOURCE = "recorded:"


@dataclass(frozen=True, slots=True)
class HeldBrackets:
    """Brackets of a contract from an instant on, with their origin.

    Parameters
    ----------
    valid_from : int
        Instant from which they hold [microseconds].
    brackets : Brackets
        The brackets.
    source : {'venue', 'user', 'default'}
        Where they come from.
    ladder : str or None
        Name of the default ladder; None for other brackets.
    """

    valid_from: int
    brackets: Brackets
    source: str
    ladder: str | None = None


def read_brackets(
    connection: DuckDBPyConnection, assets: list[str]
) -> dict[tuple[str, str], list[HeldBrackets]]:
    """Return the known brackets of each instrument, oldest first.

    A set that cannot be used is skipped with a warning: it stops neither the maps of its instrument
    nor those of others.
    """
    rows = connection.execute(
        named_query("brackets_of_assets"),
        {"assets": assets},
    ).fetchall()
    brackets: dict[tuple[str, str], list[HeldBrackets]] = {}
    seen: dict[tuple[str, str], list[object]] = {}
    for venue, instrument, valid_from, origin, fee, *columns in rows:
        key = (venue, instrument)
        source = "user" if origin.startswith(_USER_SOURCE) else "venue"
        if seen.get(key) == [source, fee, columns]:
            continue
        seen[key] = [source, fee, columns]
        try:
            floor, cap, ratio, deduction, leverage = (np.array(column) for column in columns)
            held = Brackets(floor, cap, ratio, deduction, leverage, liquidation_fee_ratio=fee)
        except InvalidInput as exc:
            logger.warning(
                "%s %s: the brackets valid from %s are skipped, those before them or the "
                "default ladder hold: %s",
                venue,
                instrument,
                to_instant(valid_from),
                exc,
            )
            continue
        brackets.setdefault(key, []).append(HeldBrackets(valid_from, held, source))
    return brackets


def default_by_size(
    asset: str,
    *,
    fee_ratio: float,
    start: int,
    usd_before: float,
    bar_starts: IntArray,
    open_interest_usd: FloatArray,
) -> list[HeldBrackets]:
    """Return the default ladders in force over some bars, by open interest at each midnight.

    The ladder of a day follows from open interest after the last bar before it: it uses only what
    was known by then and does not depend on where a replay is cut. Before the first observation,
    that one counts.

    Parameters
    ----------
    asset : str
        Base asset.
    fee_ratio : float
        Liquidation fee in the venue's formula [ratio].
    start : int
        Midnight at which the bars begin [microseconds].
    usd_before : float
        Open interest at `start` [USD]; NaN before the first bar of a series.
    bar_starts : ndarray of int64, shape (n_bars,)
        Open of each bar [microseconds].
    open_interest_usd : ndarray of float64, shape (n_bars,)
        Open interest at the end of each bar [USD].
    """
    days, first = np.unique(bar_starts // DAY_MICROSECONDS, return_index=True)
    usd = np.concatenate(([usd_before], open_interest_usd))[first if len(first) else [0]]
    known = open_interest_usd[~np.isnan(open_interest_usd)]
    usd[np.isnan(usd)] = known[0] if len(known) else np.nan
    held: list[HeldBrackets] = []
    for value, day in zip(
        usd.tolist(), [start // DAY_MICROSECONDS, *days[1:].tolist()], strict=True
    ):
        name = default_ladder(asset, value)
        if not held or held[-1].ladder != name:
            held.append(
                HeldBrackets(
                    day * DAY_MICROSECONDS, _ladder_brackets(name, fee_ratio), "default", name
                )
            )
    return held


@lru_cache
def _ladder_brackets(name: str, fee_ratio: float) -> Brackets:
    """Return a default ladder, always the same object: derived values are cached by identity."""
    return DEFAULT_LADDERS[name].brackets(liquidation_fee_ratio=fee_ratio)


def in_force(held: Sequence[HeldBrackets], instant: int) -> Brackets:
    """Return the brackets in force just after an instant; before the oldest, these."""
    found = held[0].brackets
    for candidate in held:
        if candidate.valid_from <= instant:
            found = candidate.brackets
    return found


def bracket_columns(
    held: Sequence[HeldBrackets], hours: IntArray, reference_position_usd: float
) -> dict[str, pa.Array]:
    """Return the brackets in force in each hour, and the bracket of the reference position.

    Parameters
    ----------
    held : sequence of HeldBrackets
        Oldest first.
    hours : ndarray of int64, shape (n_hours,)
        Ends of the hours [microseconds].
    reference_position_usd : float
        Notional of the representative position [USD].
    """
    valid_from = np.array([each.valid_from for each in held], dtype=np.int64)
    at = pa.array(np.maximum(np.searchsorted(valid_from, hours, side="left") - 1, 0))
    numbers = [int(each.brackets.bracket_of(reference_position_usd)) for each in held]

    def figures(name: str) -> pa.Array:
        values = [
            float(getattr(each.brackets, name)[number])
            for each, number in zip(held, numbers, strict=True)
        ]
        return pa.array([value if np.isfinite(value) else None for value in values], pa.float64())

    columns = {
        "brackets_source": pa.array([each.source for each in held]),
        "brackets_valid_from_at": pa.array(
            [None if each.ladder else each.valid_from for each in held], pa.int64()
        ),
        "default_ladder": pa.array([each.ladder for each in held], pa.string()),
        "liquidation_fee_ratio": pa.array([each.brackets.liquidation_fee_ratio for each in held]),
        "has_maintenance_deduction": pa.array(
            [bool(each.brackets.maintenance_deduction_usd.any()) for each in held]
        ),
        "reference_bracket": pa.array([number + 1 for number in numbers]),
        "reference_floor_usd": figures("notional_floor_usd"),
        "reference_cap_usd": figures("notional_cap_usd"),
        "reference_max_leverage": figures("max_leverage"),
        "reference_maintenance_margin_ratio": figures("maintenance_margin_ratio"),
    }
    return {name: values.take(at) for name, values in columns.items()}
