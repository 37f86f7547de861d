"""Published maps and tables for notebooks: labelled arrays and data frames.

Belongs here: the form in which people at a notebook want rows. Everything is read through
``warehouse.read``. Does not belong here: pictures (``plots``), the rows of the API (``web``).
"""

import difflib
import importlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from warehouse.as_published import as_published_relations
from warehouse.contracts import public_relations
from warehouse.errors import NotPublished, QueryFailed
from warehouse.published_versions import PUBLISHED_FILE
from warehouse.read import Reader, ReadLimits, open_published

FloatArray = npt.NDArray[np.float64]

SIDES = ("long", "short")

_NEWEST_HOURS = 168


@dataclass(frozen=True, slots=True)
class LabelledMap:
    """The map of an asset over some hours as one array with labels.

    Parameters
    ----------
    asset, provider, venue : str
        Whose map; venue ``all`` is the sum of venues.
    unit : str
        Of `liquidation`: USD, or relative for providers that publish no amounts.
    semantics : str
        What the map counts.
    as_of : ndarray of datetime64[us], shape (n_hours,)
        Hours with a map, UTC, ascending.
    price : ndarray of float64, shape (n_hours,)
        Price around which the map of each hour is drawn [USD per unit of the asset].
    price_low, price_high : ndarray of float64, shape (n_bins,)
        Edges of the bins, ascending; the same in all hours [USD per unit of the asset].
    liquidation : ndarray of float64, shape (n_hours, 2, n_bins)
        Positions that would be force-closed in a bin, by side as in `SIDES` [unit]. 0 where a bin
        is empty, NaN where the hour has no map of the side. A stock: never summed over hours.
    """

    asset: str
    provider: str
    venue: str
    unit: str
    semantics: str
    as_of: npt.NDArray[np.datetime64]
    price: FloatArray
    price_low: FloatArray
    price_high: FloatArray
    liquidation: FloatArray

    @property
    def dims(self) -> tuple[str, str, str]:
        """Names of the axes of `liquidation`."""
        return ("as_of", "side", "price_low")

    @property
    def coords(self) -> dict[str, Any]:
        """Labels along the axes, as ``xarray.DataArray`` takes them."""
        return {
            "as_of": self.as_of,
            "side": list(SIDES),
            "price_low": self.price_low,
            "price_high": ("price_low", self.price_high),
            "price": ("as_of", self.price),
        }

    def to_frame(self) -> pd.DataFrame:
        """Return the bins that hold something, one row each, by hour, side and price."""
        hour, side, place = np.nonzero(np.nan_to_num(self.liquidation))
        return pd.DataFrame(
            {
                "as_of": pd.DatetimeIndex(self.as_of[hour]).tz_localize("UTC"),
                "side": pd.Categorical.from_codes(side, pd.Index(SIDES)),
                "price_low": self.price_low[place],
                "price_high": self.price_high[place],
                "liquidation": self.liquidation[hour, side, place],
                "price": self.price[hour],
            }
        )


def read_map(
    published: str | Path,
    asset: str,
    *,
    provider: str = "turnover",
    venue: str = "all",
    hours: tuple[datetime, datetime] | None = None,
    as_published: bool = False,
    limits: ReadLimits | None = None,
) -> LabelledMap:
    """Return the map of an asset as one labelled array.

    Parameters
    ----------
    published : str or Path
        The published file, or the home it is in.
    asset, provider, venue : str
        Whose map; ``marts.assets.default_provider`` is the one shown by default.
    hours : tuple of datetime, optional
        Hours from the first to the second, both included; naive ones are UTC. By default the
        newest 168.
    as_published : bool
        The map of each hour as readers saw it first, whatever changed it later.
    limits : ReadLimits, optional
        Memory and time.

    Raises
    ------
    NotPublished
        There is no file, or no such map; the message names those there are. Or the maps of some
        hours are not kept as first published.
    """
    with open_published(_file(published), limits=limits) as reader:
        whose = {"asset": asset, "provider": provider, "venue": venue}
        maps = f"{'as_published' if as_published else 'marts'}.liquidation_heatmap_arrays"
        if as_published:
            _refuse_lost_hours(reader, asset, hours)
        rows = _map_rows(reader, maps, whose, hours)
        first = min(start for _, _, _, start, *_ in rows)
        end = max(start + len(values) for _, _, _, start, values, *_ in rows)
        edges = np.array(
            reader.execute(f"select bin_edge(range) from range({first}, {end + 1})").fetchall()
        )[:, 0]
    instants = sorted({row[0] for row in rows})
    place = {instant: number for number, instant in enumerate(instants)}
    price = np.full(len(instants), np.nan)
    liquidation = np.full((len(instants), len(SIDES), end - first), np.nan)
    for as_of, side, near, start, values, *_ in rows:
        price[place[as_of]] = near
        bins = liquidation[place[as_of], SIDES.index(side)]
        bins[:] = 0.0
        bins[start - first : start - first + len(values)] = values
    unit, semantics = rows[-1][5:]
    return LabelledMap(
        **whose,
        unit=unit,
        semantics=semantics,
        as_of=np.array([each.replace(tzinfo=None) for each in instants], "datetime64[us]"),
        price=price,
        price_low=edges[:-1],
        price_high=edges[1:],
        liquidation=liquidation,
    )


def _refuse_lost_hours(reader: Reader, asset: str, hours: tuple[datetime, datetime] | None) -> None:
    """Refuse hours whose maps are not kept as first published.

    Raises
    ------
    NotPublished
        There are some among those wanted.
    """
    from_at, until_at = hours or (None, None)
    first, last, count = reader.execute(
        "select min(as_of), max(as_of), count(*) from replaced.liquidation_heatmap_arrays "
        "where not is_kept and asset = $asset "
        "and as_of <= coalesce($until_at::timestamp, 'infinity'::timestamp) "
        "and as_of >= coalesce($from_at::timestamp, (select max(as_of) "
        "from marts.liquidation_heatmap_arrays where asset = $asset) - to_hours($newest_hours))",
        {
            "asset": asset,
            "from_at": from_at,
            "until_at": until_at,
            "newest_hours": _NEWEST_HOURS - 1,
        },
    ).fetchone() or (None, None, 0)
    if count:
        raise NotPublished(
            f"{count} hours of {asset} from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC "
            "are not kept as first published, since more was replaced at once than "
            "LIQHEAT_PUBLISH_KEPT_PERCENT allows; choose other hours, or read them as they are now"
        )


def _map_rows(
    reader: Reader, maps: str, whose: dict[str, str], hours: tuple[datetime, datetime] | None
) -> list[tuple[Any, ...]]:
    """Return (as_of, side, price, first bin, values, unit, semantics) of some hours, at least one.

    Raises
    ------
    NotPublished
        There is none.
    """
    from_at, until_at = hours or (None, None)
    parameters = {
        **whose,
        "from_at": from_at,
        "until_at": until_at or datetime.max.replace(tzinfo=UTC),
        "newest_hours": _NEWEST_HOURS,
    }
    rows = reader.execute(
        f"with map as (select * from {maps} where asset = $asset "
        "and provider = $provider and venue = $venue and as_of <= $until_at) "
        "select as_of, side, price, first_bin_index, liquidation_usd, unit, semantics from map "
        "where as_of >= coalesce($from_at::timestamp, (select max(as_of) from map) "
        "- to_hours($newest_hours - 1)) order by as_of, side",
        parameters,
    ).fetchall()
    if rows:
        return rows
    known = reader.execute(
        "select asset, provider, venue, min(as_of), max(as_of) "
        "from marts.liquidation_heatmap_arrays group by all order by all"
    ).fetchall()
    name = "{asset} by {provider}, venue {venue}".format_map(whose)
    spans = [row for row in known if row[:3] == tuple(whose.values())]
    if spans:
        raise NotPublished(
            f"{name} has no map in those hours; there are hours from {spans[0][3]:%Y-%m-%d %H:%M} "
            f"to {spans[0][4]:%Y-%m-%d %H:%M} UTC"
        )
    names = [", ".join(sorted({row[number] for row in known})) for number in range(3)]
    raise NotPublished(
        f"{name} has no map; assets are {names[0]}; providers {names[1]}; venues {names[2]}"
    )


@overload
def read_table(
    published: str | Path,
    name: str,
    *,
    where: str = "true",
    parameters: dict[str, Any] | None = None,
    as_: Literal["pandas"] = "pandas",
    limits: ReadLimits | None = None,
) -> pd.DataFrame: ...


@overload
def read_table(
    published: str | Path,
    name: str,
    *,
    where: str = "true",
    parameters: dict[str, Any] | None = None,
    as_: Literal["arrow", "polars"],
    limits: ReadLimits | None = None,
) -> Any: ...  # noqa: ANN401  (neither package publishes types here)


def read_table(
    published: str | Path,
    name: str,
    *,
    where: str = "true",
    parameters: dict[str, Any] | None = None,
    as_: Literal["pandas", "arrow", "polars"] = "pandas",
    limits: ReadLimits | None = None,
) -> Any:
    """Return rows of a published relation as a data frame.

    Parameters
    ----------
    published, limits
        As for `read_map`.
    name : str
        The relation; ``assets`` is ``marts.assets``. Of ``as_published.<relation>`` rows as
        readers saw them first.
    where : str
        Condition of SQL, with ``$name`` for each parameter.
    parameters : dict, optional
        Values by name.
    as_ : {"pandas", "arrow", "polars"}
        What is returned. Instants are marked as UTC.

    Raises
    ------
    NotPublished
        There is no file.
    QueryFailed
        There is no such relation or column, or the condition is not valid.
    ImportError
        polars is not installed.
    """
    relation = name if "." in name else f"marts.{name}"
    grains = {each.name: each.grain for each in (*public_relations(), *as_published_relations())}
    if relation not in grains:
        close = difflib.get_close_matches(relation, grains, n=3, cutoff=0.5)
        raise QueryFailed(
            f"{name} is no published relation"
            + (f"; close to it are {', '.join(close)}" if close else "")
            + "; `liqheat tables` lists them"
        )
    order = ", ".join(grains[relation])
    with open_published(_file(published), limits=limits) as reader:
        sql = f"select * from {relation} where {where} order by {order}"
        table: pa.Table = reader.execute(sql, parameters).to_arrow_table()
    if as_ == "arrow":
        return table
    if as_ == "polars":
        # By name: polars is the reader's, not one of our dependencies.
        return importlib.import_module("polars").from_arrow(table)
    return table.to_pandas()


def _file(published: str | Path) -> Path:
    path = Path(published)
    return path / "published" / PUBLISHED_FILE if path.is_dir() else path
