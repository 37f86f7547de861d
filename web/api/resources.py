"""What the API answers, endpoint by endpoint.

Belongs here: which relation and which query are behind an endpoint. Does not belong here: what is
done with a request (``web.api.routes``).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from warehouse.contracts import Column, Relation, relations
from warehouse.queries import named_query
from warehouse.read import Reader

_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Resource:
    """One endpoint.

    Parameters
    ----------
    name : str
        Its path below ``/v1/``.
    query : str
        The named query behind it.
    relation : str
        The relation whose contract describes its columns.
    scope : str
        ``map``: rows of one asset, provider and venue; ``asset``: rows of one asset; ``home``: all.
    is_daily : bool
        Whether its rows are of midnights: one hour then means the newest of the week before it.
    left_out : tuple of str
        Columns of the contract that are the same in every row: the envelope has them.
    """

    name: str
    query: str
    relation: str
    scope: str
    is_daily: bool = False
    left_out: tuple[str, ...] = ()

    @cached_property
    def contract(self) -> Relation:
        """The contract of its columns."""
        return relations()[self.relation]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of its rows, in the order of the contract."""
        return tuple(one for one in self.contract.columns if one.name not in self.left_out)

    @property
    def takes(self) -> set[str]:
        """Names of the parameters that its query takes."""
        return set(_PARAMETER.findall(named_query(self.query)))

    @property
    def parameters_without_effect(self) -> tuple[str, ...]:
        """Names of those that choose a map's bins and that its query does not take."""
        if self.name == "map" or not self.takes & {"provider", "venue", "sides"}:
            return ()
        taken = {"side" if name == "sides" else name for name in self.takes}
        return tuple(
            name for name in ("provider", "venue", "side", "reach", "tiers") if name not in taken
        )


def read_rows(reader: Reader, query: str, known: Mapping[str, Any]) -> pa.Table:
    """Return the rows of a named query, given more parameters than it takes."""
    statement = named_query(query)
    taken = {name: known[name] for name in set(_PARAMETER.findall(statement))}
    return reader.execute(statement, taken).to_arrow_table()


def read_page(
    read: Callable[[dict[str, Any]], pa.Table], known: Mapping[str, Any], *, at_once: timedelta
) -> pa.Table:
    """Return a page of rows that go from the newest hour back, a stretch of hours at a time.

    The database sorts what it reads: of a long window that is far more than the page holds.

    Parameters
    ----------
    read : callable
        Returns rows of ``from_at < as_of <= until_at``, at least the first ``row_count`` of them.
    known : mapping of str to Any
        Parameters of the page: first_row, row_count, from_at and until_at among them.
    at_once : timedelta
        Hours read at a time.
    """
    parts: list[pa.Table] = []
    until_at, skipped, wanted = known["until_at"], known["first_row"], known["row_count"]
    while True:
        from_at = max(known["from_at"], until_at - at_once)
        stretch = {"from_at": from_at, "until_at": until_at, "first_row": 0}
        rows = read({**known, **stretch, "row_count": skipped + wanted})
        parts.append(rows.slice(skipped, wanted))
        skipped = max(skipped - rows.num_rows, 0)
        wanted -= parts[-1].num_rows
        until_at = from_at
        if wanted == 0 or until_at <= known["from_at"]:
            return pa.concat_tables(parts)


RESOURCES = (
    Resource("assets", "api_assets", "marts.assets", "home"),
    Resource(
        "map",
        "api_map",
        "marts.liquidation_heatmap_hourly",
        "map",
        left_out=("asset", "provider", "venue", "unit", "semantics", "params_hash"),
    ),
    Resource("bands", "api_bands", "marts.liquidation_bands_hourly", "map"),
    Resource("cascades", "api_cascades", "marts.cascade_scenarios_hourly", "map"),
    Resource("by-leverage", "api_by_leverage", "marts.liquidation_by_leverage_hourly", "map"),
    Resource("consensus", "api_consensus", "marts.consensus_heatmap_hourly", "asset"),
    Resource("disagreement", "api_disagreement", "marts.provider_disagreement_hourly", "asset"),
    Resource("quality", "api_quality", "marts.asset_quality_hourly", "asset"),
    Resource("accuracy", "api_accuracy", "marts.estimator_skill_daily", "asset", is_daily=True),
    Resource("forecast", "api_forecast", "marts.liquidation_forecast_hourly", "asset"),
    Resource("outlook", "api_outlook", "marts.liquidation_outlook_daily", "asset", is_daily=True),
    Resource("context", "api_context", "marts.market_context_hourly", "asset"),
    Resource("open-interest", "api_open_interest", "marts.venue_open_interest_hourly", "asset"),
    Resource("gaps", "api_gaps", "marts.data_gaps", "home"),
    Resource("runs", "api_runs", "marts.pipeline_runs", "home"),
)
