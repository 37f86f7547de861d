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
from warehouse.read import Reader

_PARAMETER = re.compile(r"\$([a-z_]+)")

# Conditions on rows. Parameters that may be NULL, which means all, have an `any` in the name.
_ASSET = "asset = $asset"
_PROVIDER = "provider = $provider"
_VENUE = "venue = $venue"
_SIDES = "list_contains($sides, side)"
_HOURS = "as_of > $from_at and as_of <= $until_at"
_ANY_ASSET = "asset is not distinct from coalesce($asset, asset)"
_ANY_PROVIDER = "provider = coalesce($provider, provider)"
_ANY_PROVIDER_OF_PAIR = "coalesce($provider in (provider_a, provider_b), true)"
_ANY_VENUE = "venue = coalesce($venue, venue)"
_ANY_REACH = (
    "coalesce(price_high > price * (1 - $reach::double)"
    " and price_low < price * (1 + $reach::double), true)"
)
_ANY_JOB = "job = coalesce($job, job)"
_OF_MAP = (_ASSET, _PROVIDER, _VENUE, _SIDES, _HOURS)


@dataclass(frozen=True)
class Resource:
    """One endpoint.

    Parameters
    ----------
    name : str
        Its path below ``/v1/``.
    relation : str
        The relation whose rows they are, and whose contract describes them.
    scope : str
        ``map``: rows of one asset, provider and venue; ``asset``: rows of one asset; ``home``: all.
    conditions : tuple of str
        Which of its rows, by the parameters of a request.
    order : str
        Their order.
    is_daily : bool
        Whether its rows are of midnights: one hour then means the newest of the week before it.
    left_out : tuple of str
        Columns of the contract that are the same in every row: the envelope has them.
    """

    name: str
    relation: str
    scope: str
    conditions: tuple[str, ...]
    order: str
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
        """The SELECT of a page of its rows."""
        return (
            f"select * from {self.relation} where {' and '.join(self.conditions)}"
            f" order by {self.order} limit $row_count offset $first_row"
        )

    @property
    def takes(self) -> set[str]:
        """Names of the parameters that its statement takes."""
        return set(_PARAMETER.findall(self.statement))

    @property
    def parameters_without_effect(self) -> tuple[str, ...]:
        """Names of those that choose a map's bins and that its statement does not take."""
        if self.name == "map" or not self.takes & {"provider", "venue", "sides"}:
            return ()
        taken = {"side" if name == "sides" else name for name in self.takes}
        return tuple(
            name for name in ("provider", "venue", "side", "reach", "tiers") if name not in taken
        )


def read_rows(reader: Reader, statement: str, known: Mapping[str, Any]) -> pa.Table:
    """Return the rows of a statement, given more parameters than it takes."""
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


CONSENSUS_ROWS = Resource(
    "consensus",
    "marts.consensus_heatmap_hourly",
    "asset",
    (_ASSET, _VENUE, _SIDES, _HOURS, _ANY_REACH),
    "as_of desc, side, bin_index",
)

RESOURCES = (
    Resource(
        "assets", "marts.assets", "home", (_ANY_ASSET,), "open_interest_usd desc nulls last, asset"
    ),
    # `web.api.map_rows` reads them.
    Resource(
        "map",
        "marts.liquidation_heatmap_hourly",
        "map",
        _OF_MAP,
        "as_of desc, side, bin_index",
        left_out=("asset", "provider", "venue", "unit", "semantics", "params_hash"),
    ),
    Resource(
        "bands", "marts.liquidation_bands_hourly", "map", _OF_MAP, "as_of desc, side desc, rank"
    ),
    Resource(
        "cascades", "marts.cascade_scenarios_hourly", "map", _OF_MAP, "as_of desc, shock_ratio"
    ),
    Resource(
        "by-leverage",
        "marts.liquidation_by_leverage_hourly",
        "map",
        _OF_MAP,
        "as_of desc, side, leverage, tier",
    ),
    CONSENSUS_ROWS,
    Resource(
        "disagreement",
        "marts.provider_disagreement_hourly",
        "asset",
        (_ASSET, _ANY_PROVIDER_OF_PAIR, _ANY_VENUE, _HOURS),
        "as_of desc, venue, provider_a, provider_b, side",
    ),
    Resource(
        "quality",
        "marts.asset_quality_hourly",
        "asset",
        (_ASSET, _ANY_VENUE, _HOURS),
        "as_of desc, venue <> 'all', venue",
    ),
    Resource(
        "accuracy",
        "marts.estimator_skill_daily",
        "asset",
        (_ASSET, _ANY_PROVIDER, _HOURS),
        "as_of desc, window_days desc, provider, null_model",
        is_daily=True,
    ),
    Resource(
        "forecast",
        "marts.liquidation_forecast_hourly",
        "asset",
        (_ASSET, _ANY_PROVIDER, _SIDES, _HOURS),
        "as_of desc, provider, venue_scope, side, tier",
    ),
    Resource(
        "outlook",
        "marts.liquidation_outlook_daily",
        "asset",
        (_ASSET, _SIDES, _HOURS),
        "as_of desc, side",
        is_daily=True,
    ),
    Resource("context", "marts.market_context_hourly", "asset", (_ASSET, _HOURS), "as_of desc"),
    Resource(
        "open-interest",
        "marts.venue_open_interest_hourly",
        "asset",
        (_ASSET, _ANY_VENUE, _HOURS),
        "as_of desc, open_interest_usd desc, venue",
    ),
    Resource(
        "gaps",
        "marts.data_gaps",
        "home",
        (_ANY_ASSET, _ANY_VENUE),
        "gap_from desc, venue, instrument, kind",
    ),
    Resource("runs", "marts.pipeline_runs", "home", (_ANY_JOB,), "started_at desc, run_id"),
)
