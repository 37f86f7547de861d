"""Rows of landing files on their way into raw: which maps and days they put out of date.

Belongs here: the statements for rows of each kind. Does not belong here: files, their ledger and
their rejection (`warehouse.load`).
"""

import duckdb

from warehouse.contracts import raw_relation

# Assets whose maps a file puts out of date, and since when: a row for an instant changes every map
# after it.
_OF_INSTRUMENT = """
select instrument.asset, min({since})
from {{landed}} as landed
inner join staging.stg_instrument as instrument using (venue, instrument)
group by all
"""
_PUBLISHED_HOURS = """
select
    instrument.asset,
    date_trunc('hour', landed.period_start_at) + interval 1 hour as hour_end,
    max(built_asset.built_until_at) as built_until_at
from {landed} as landed
inner join staging.stg_instrument as instrument using (venue, instrument)
inner join meta.built_asset as built_asset using (asset)
group by all
"""
_CAPTURE_REACH = "interval 168 hours"
_PENDING_BUILD = {
    "ohlcv": _OF_INSTRUMENT.format(since="bar_start_at"),
    "mark_ohlc": _OF_INSTRUMENT.format(since="bar_start_at"),
    # Open interest belongs to the bar that ends at its stamp.
    "open_interest": _OF_INSTRUMENT.format(since="landed.observed_at - interval 1 minute"),
    # The oldest brackets known also hold for the time before them.
    "leverage_bracket": _OF_INSTRUMENT.format(
        since="if(exists (from raw.leverage_bracket as known where known.venue = landed.venue "
        "and known.instrument = landed.instrument "
        "and known.valid_from_at <= landed.valid_from_at), "
        "landed.valid_from_at - interval 1 minute, '-infinity'::timestamptz)"
    ),
    "provider_map": """
select asset, min(as_of) - interval 1 minute from {landed} as landed group by asset
""",
    # Liquidations change the captures of the week after their hour; earlier hours and hours that
    # are not built yet do not need them.
    "realised_liquidation": f"""
select asset, min(hour_end) from ({_PUBLISHED_HOURS})
where hour_end < built_until_at and hour_end + {_CAPTURE_REACH} > built_until_at group by asset
""",
    # Bars may land before the description of their instrument, or while it has another asset's
    # name: then the maps of the asset it leaves change too.
    "instrument": """
select unnest(list_distinct(assets)), since
from (
    select [landed.asset, known.asset] as assets, min(bar.bar_start_at) as since
    from {landed} as landed
    inner join raw.ohlcv as bar using (venue, instrument)
    left join staging.stg_instrument as known using (venue, instrument)
    where
        known.asset is distinct from landed.asset
        or known.contract_kind is distinct from landed.contract_kind
    group by all
)
""",
}

# Captures that a file puts out of date while the maps after them stay.
_PENDING_CAPTURE = f"""
select asset, min(hour_end), max(hour_end) + {_CAPTURE_REACH} from ({_PUBLISHED_HOURS})
where hour_end + {_CAPTURE_REACH} <= built_until_at group by asset
"""

# Kinds that change published days but no map, and from when to when a row does: funding and quote
# rates hold for a day, sentiment for two, the others within the hour. A funding payment also
# settles the intervals of the two before it, at most 8 hours each.
_PENDING_PUBLISH = {
    "funding_rate": ("funded_at - interval 16 hours", "funded_at + interval 1 day"),
    # Intervals of forecasts read two weeks, and three days show that a feed is silent; days that
    # are not built yet are marked once they are.
    "realised_liquidation": (
        "period_start_at",
        "greatest(period_start_at + interval 1 hour, least(period_start_at + interval 409 hours, "
        "(select coalesce(max(built_until_at), '-infinity') from meta.built_asset)))",
    ),
    "long_short_ratio": ("observed_at", "observed_at + interval 1 hour"),
    "sentiment": ("observed_at", "observed_at + interval 2 days"),
    "quote_rate": ("observed_at", "observed_at + interval 1 day"),
    "position_coverage": ("as_of", "as_of"),
}


def insert_landed(connection: duckdb.DuckDBPyConnection, kind: str, landed: str) -> None:
    """Insert the rows that a SELECT reads into raw, and mark what they put out of date.

    Runs in the caller's transaction.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    kind : str
        Of the records.
    landed : str
        The SELECT, in parentheses.
    """
    if kind in _PENDING_BUILD:
        connection.execute(
            f"insert into meta.pending_build {_PENDING_BUILD[kind].format(landed=landed)}"
        )
    if kind == "realised_liquidation":
        connection.execute(
            f"insert into meta.pending_capture {_PENDING_CAPTURE.format(landed=landed)}"
        )
    if kind in _PENDING_PUBLISH:
        first, last = _PENDING_PUBLISH[kind]
        connection.execute(
            "insert into meta.pending_publish select distinct "
            "unnest(generate_series(first, last, interval 1 day))::date from ("
            f"select distinct ({first})::date as first, ({last})::date as last "
            f"from {landed})"
        )
    connection.execute(f"insert into {raw_relation(kind).name} select * from {landed}")
