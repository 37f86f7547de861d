"""What the API answers, endpoint by endpoint.

Belongs here: which relation an endpoint reads and which parameters choose its rows. Does not belong
here: reading and sending (``web.api.routes``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from warehouse.contracts import Column, Relation, relations
from warehouse.queries import named_query

_PARAMETER = re.compile(r"\$([a-z_]+)")


@dataclass(frozen=True)
class Resource:
    """One endpoint.

    Parameters
    ----------
    name : str
        Its path below ``/v1/``.
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
    def statement(self) -> str:
        """The named query behind it."""
        return named_query(f"api_{self.name.replace('-', '_')}")

    @property
    def takes(self) -> set[str]:
        """Names of the parameters that its query takes."""
        return set(_PARAMETER.findall(self.statement))

    def parameters(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters that its query takes, of all that are known."""
        return {name: known[name] for name in self.takes}


RESOURCES = (
    Resource("assets", "marts.assets", "home"),
    Resource(
        "map",
        "marts.liquidation_heatmap_hourly",
        "map",
        left_out=("asset", "provider", "venue", "unit", "semantics", "params_hash"),
    ),
    Resource("bands", "marts.liquidation_bands_hourly", "map"),
    Resource("cascades", "marts.cascade_scenarios_hourly", "map"),
    Resource("by-leverage", "marts.liquidation_by_leverage_hourly", "map"),
    Resource("consensus", "marts.consensus_heatmap_hourly", "asset"),
    Resource("disagreement", "marts.provider_disagreement_hourly", "asset"),
    Resource("quality", "marts.asset_quality_hourly", "asset"),
    Resource("accuracy", "marts.estimator_skill_daily", "asset", is_daily=True),
    Resource("forecast", "marts.liquidation_forecast_hourly", "asset"),
    Resource("outlook", "marts.liquidation_outlook_daily", "asset", is_daily=True),
    Resource("context", "marts.market_context_hourly", "asset"),
    Resource("open-interest", "marts.venue_open_interest_hourly", "asset"),
    Resource("gaps", "marts.data_gaps", "home"),
    Resource("runs", "marts.pipeline_runs", "home"),
)
