"""The record of what a publication changed: which hours, by how much, and why.

Belongs here: rows of ``meta.published_change``, made of the rows that differ from the version that
people read, and the evidence of why. A reason is given where there is evidence in the warehouse or
in the two files, else it is ``unknown``. Does not belong here: which rows differ
(``warehouse.first_published``).
"""

from collections.abc import Collection
from datetime import datetime

import duckdb

from warehouse.connect import scalar, transaction
from warehouse.contracts import Relation, raw_relation
from warehouse.held_rows import HeldRows
from warehouse.publication_base import BASE, Base, PublicationMark, literal
from warehouse.sql_text import quoted

REASONS = (
    "held_back",
    "let_in",
    "parameters",
    "release",
    "fit",
    "set_apart",
    "correction",
    "late_data",
    "unknown",
)
"""Why an hour changed, the strongest first."""

NO_PROVIDER = "none"
"""Provider of rows that are of no single one."""

# Kinds of records that hours are made of, in words. Descriptions of contracts, alerts and accounts
# change no hour by themselves.
_KINDS = {
    "ohlcv": "bars",
    "mark_ohlc": "mark prices",
    "open_interest": "open interest",
    "funding_rate": "funding",
    "long_short_ratio": "long/short ratios",
    "realised_liquidation": "liquidations",
    "leverage_bracket": "margin brackets",
    "provider_map": "maps",
    "position_coverage": "measured positions",
    "quote_rate": "stablecoin rates",
    "sentiment": "sentiment",
}

# Kinds whose rows begin at their instant: one that begins on the hour is of the next hour.
_BEGINNING = ("ohlcv", "mark_ohlc", "realised_liquidation")

_MAPS = "marts.liquidation_heatmap_arrays"
_OPEN_INTEREST = "marts.venue_open_interest_hourly"
_GRADES = "marts.asset_quality_hourly"

# Columns of maps that figures of a change are made of.
_FIGURES = {"venue", "unit", "price", "first_bin_index", "liquidation_usd"}


def differing_table(relation: Relation) -> str:
    """Return the temporary table of a relation's rows that differ.

    It has the grain, ``is_added``, ``is_removed`` and ``is_change``, which is false for rows that
    hours of a provider or relation only gained as time passed.
    """
    return f"differing_{relation.short_name}"


def record_changes(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    base: Base,
    mark: PublicationMark,
    *,
    changed: Collection[Relation],
    not_kept: Collection[str],
    held: HeldRows,
) -> int:
    """Add what a publication changed to ``meta.published_change``; return how many rows.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's, with the file that is published and the version that people read attached.
    catalog : str
        The file.
    base : Base
        The version.
    mark : PublicationMark
        The publication under way.
    changed : collection of Relation
        Relations with rows that differ.
    not_kept : collection of str
        Names of those whose replaced rows are not kept.
    held : HeldRows
        Rows that checks hold back.
    """
    # The version may be of a release without some of them: their rows are new, no change.
    names = {each.name for each in changed if "asset" in each.grain and each.name in base.columns}
    if not names:
        return 0
    connection.execute(
        "create or replace temp table changed_rows as "
        + " union all ".join(_counts(each) for each in changed if each.name in names)
    )
    connection.execute(
        "create or replace temp table change_evidence "
        "(asset varchar, as_of timestamp, provider varchar, reason varchar, words varchar)"
    )
    if scalar(connection, "select exists (from changed_rows)"):
        _collect_evidence(connection, catalog, base, mark, names, held)
    has_figures = _MAPS in names and _has(base, _MAPS, _FIGURES)
    figures = _map_figures(catalog) if has_figures else _NO_FIGURES
    grades = _grades(catalog) if _has(base, _GRADES, {"venue", "grade"}) else _NO_GRADES
    not_kept_names = [quoted(each.short_name) for each in changed if each.name in not_kept]
    with transaction(connection):
        count: int = scalar(
            connection,
            _INSERT.format(
                figures=figures,
                grades=grades,
                not_kept=", ".join(not_kept_names) or "null",
                ranks=", ".join(map(quoted, REASONS)),
            ),
            [mark.publication_id, mark.published_at],
        )
    connection.execute("drop table temp.changed_rows; drop table temp.change_evidence")
    return count


def _has(base: Base, name: str, columns: Collection[str]) -> bool:
    """Return whether a version has columns of a relation."""
    return base.columns.get(name, {}).keys() >= set(columns)


def _counts(relation: Relation) -> str:
    """Return the SELECT of what changed of a relation by hour and provider."""
    provider = "provider" if "provider" in relation.grain else quoted(NO_PROVIDER)
    return (
        f"select asset, as_of, {provider} as provider, {quoted(relation.short_name)} as relation, "
        "count(*) filter (not is_added and not is_removed) as replaced, "
        "count(*) filter (is_removed) as removed, count(*) filter (is_added) as added "
        f"from {differing_table(relation)} where is_change group by all"
    )


_INSERT = """
insert into meta.published_change by name
with of_hour as (
    select
        asset,
        as_of,
        provider,
        array_to_string(list_sort(list(relation)), ', ') as relations,
        sum(replaced)::bigint as replaced_row_count,
        sum(removed)::bigint as removed_row_count,
        sum(added)::bigint as added_row_count,
        nullif(
            array_to_string(list_sort(list(relation) filter (relation in ({not_kept}))), ', '), ''
        ) as not_kept,
    from changed_rows
    group by asset, as_of, provider
),
why as (
    select
        of_hour.asset,
        of_hour.as_of,
        of_hour.provider,
        arg_min(evidence.reason, list_position([{ranks}], evidence.reason)) as reason,
        array_to_string(list_sort(list(distinct evidence.words)), '; ') as evidence,
    from of_hour
    inner join change_evidence as evidence
        on evidence.asset = of_hour.asset
        and evidence.as_of = of_hour.as_of
        and (
            evidence.provider is null
            or evidence.provider = of_hour.provider
            or of_hour.provider = 'none'
        )
    group by all
)
select
    $1 as publication_id,
    $2::timestamptz as published_at,
    of_hour.* replace (make_timestamptz(epoch_us(of_hour.as_of)) as as_of),
    coalesce(why.reason, 'unknown') as reason,
    coalesce(why.evidence, '') as evidence,
    figures.* exclude (asset, as_of, provider),
    grades.* exclude (asset, as_of),
from of_hour
left join why using (asset, as_of, provider)
left join ({figures}) as figures using (asset, as_of, provider)
left join ({grades}) as grades using (asset, as_of)
"""

_NO_FIGURES = (
    "select null::varchar as asset, null::timestamp as as_of, null::varchar as provider limit 0"
)
_NO_GRADES = "select null::varchar as asset, null::timestamp as as_of limit 0"


def _grades(catalog: str) -> str:
    """Return the SELECT of the grades of changed hours before and after."""
    return f"""
    select asset, as_of, old.grade as grade_before, now.grade as grade_after
    from (select distinct asset, as_of from changed_rows)
    left join {BASE}.{_GRADES} as old using (asset, as_of)
    left join {catalog}.{_GRADES} as now using (asset, as_of)
    where coalesce(old.venue, 'all') = 'all' and coalesce(now.venue, 'all') = 'all'
    """


# USD of a side within 5 % of price; its bins count from the first of the array.
_NEAR = """if(side = 'long',
    sum_of_bins({0}.usd, greatest(bin_of({0}.price * 0.95) - {0}.first, 0),
        greatest(bin_of({0}.price) - {0}.first, -1)),
    sum_of_bins({0}.usd, greatest(bin_of({0}.price) - {0}.first, 0),
        greatest(bin_of({0}.price * 1.05) - {0}.first, -1)))"""


def _map_figures(catalog: str) -> str:
    """Return the SELECT of how the maps of all venues changed, by hour and provider, in USD."""
    sides = (
        "select asset, as_of, provider, side, {{'price': price, 'first': first_bin_index, "
        "'usd': liquidation_usd}} as map from {0}." + _MAPS + " inner join differing "
        "using (asset, as_of, provider) where venue = 'all' and unit = 'usd'"
    )
    return f"""
    with differing as (
        select distinct asset, as_of, provider
        from differing_liquidation_heatmap_arrays where venue = 'all' and is_change
    ),
    pair as (
        select
            asset, as_of, provider, side, old.map as old, now.map as now,
            coalesce(least(old.map.first, now.map.first), old.map.first, now.map.first) as first,
        from ({sides.format(BASE)}) as old
        full join ({sides.format(catalog)}) as now using (asset, as_of, provider, side)
    ),
    aligned as (
        select
            *,
            list_resize([]::float[], (coalesce(old.first, first) - first)::bigint, 0)
            || coalesce(old.usd, []) as old_usd,
            list_resize([]::float[], (coalesce(now.first, first) - first)::bigint, 0)
            || coalesce(now.usd, []) as now_usd,
        from pair
    ),
    of_side as (
        select
            *,
            coalesce(list_sum(old_usd)::double, 0) as old_total,
            coalesce(list_sum(now_usd)::double, 0) as now_total,
            coalesce(list_sum(list_transform(
                list_zip(old_usd, now_usd),
                lambda bin: abs(coalesce(bin[1], 0)::double - coalesce(bin[2], 0)::double)
            )), 0) as bin_changes,
            coalesce({_NEAR.format("now")}, 0) - coalesce({_NEAR.format("old")}, 0) as near_change,
        from aligned
    )
    select
        asset, as_of, provider,
        if(count(old) = 0, null, sum(old_total)) as map_before_usd,
        if(count(now) = 0, null, sum(now_total)) as map_after_usd,
        if(
            count(old) = 0 or count(now) = 0,
            null,
            sum(bin_changes - abs(now_total - old_total)) / 2
        ) as moved_usd,
        coalesce(sum(near_change) filter (side = 'long'), 0) as near_long_change_usd,
        coalesce(sum(near_change) filter (side = 'short'), 0) as near_short_change_usd,
    from of_side
    group by asset, as_of, provider
    """


def _collect_evidence(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    base: Base,
    mark: PublicationMark,
    names: Collection[str],
    held: HeldRows,
) -> None:
    """Put the evidence of why hours changed into a temporary table."""
    connection.execute(
        "create or replace temp table changed_hour as select asset, as_of, "
        "sum(removed) > 0 as is_removed, sum(added) > 0 as is_added from changed_rows group by all"
    )
    if base.form_sha256 != mark.form_sha256:
        connection.execute(
            "insert into change_evidence select asset, as_of, null, 'release', "
            "'made by a release with other models' from changed_hour"
        )
    for asset, from_at in {*held.assets, *held.grades}:
        connection.execute(
            "insert into change_evidence select asset, as_of, null, 'held_back', "
            "'checks hold the asset back' from changed_hour "
            f"where is_removed and asset = {quoted(asset)} and as_of >= {literal(from_at)}"
        )
    connection.execute(
        "insert into change_evidence select changed_hour.asset, changed_hour.as_of, null, "
        "'let_in', 'checks no longer hold the asset back' from changed_hour "
        "inner join meta.published_change as earlier "
        "on earlier.asset = changed_hour.asset "
        "and epoch_us(earlier.as_of) = epoch_us(changed_hour.as_of) "
        "where changed_hour.is_added group by all "
        "having arg_max(earlier.reason, earlier.published_at) = 'held_back'"
    )
    if _MAPS in names and _has(base, _MAPS, {"params_hash"}):
        connection.execute(_parameters(catalog))
    if _OPEN_INTEREST in names and _has(base, _OPEN_INTEREST, {"is_set_apart"}):
        connection.execute(_set_apart(catalog))
    if base.published_at is not None:
        since = loaded_before(connection, base.published_at)
        for kind in _KINDS:
            connection.execute(_late_rows(kind), {"since": since})
    connection.execute("drop table temp.changed_hour")


def loaded_before(connection: duckdb.DuckDBPyConnection, published_at: datetime) -> datetime:
    """Return an instant after which rows were ingested that a publication did not have.

    Rows that landed between the last load and the publication were ingested before it.
    """
    found: datetime = scalar(
        connection,
        "select coalesce(max(loaded_at), $1) from meta.landing_file where loaded_at <= $1",
        [published_at],
    )
    return found


def _parameters(catalog: str) -> str:
    """Return the statement that adds maps that were made with other parameters."""
    maps = "select asset, as_of, provider, venue, side, params_hash from {}." + _MAPS
    return f"""
    insert into change_evidence
    select distinct
        asset, as_of, provider,
        if(fitted.params_hash is null, 'parameters', 'fit'),
        if(fitted.params_hash is null, 'parameters of ', 'fit of ') || provider || ': '
        || old.params_hash[:8] || ' before, ' || now.params_hash[:8] || ' after',
    from changed_hour
    inner join ({maps.format(BASE)}) as old using (asset, as_of)
    inner join ({maps.format(catalog)}) as now using (asset, as_of, provider, venue, side)
    left join (
        select distinct params_hash from derived.calibration where params_hash is not null
    ) as fitted on fitted.params_hash = now.params_hash
    where old.params_hash <> now.params_hash
    """


def _set_apart(catalog: str) -> str:
    """Return the statement that adds venues that are set apart, or no longer are."""
    venues = "select asset, as_of, venue, is_set_apart from {}." + _OPEN_INTEREST
    return f"""
    insert into change_evidence
    select
        asset, as_of, null, 'set_apart',
        venue || if(now.is_set_apart, ' set apart', ' no longer set apart'),
    from changed_hour
    inner join ({venues.format(BASE)}) as old using (asset, as_of)
    inner join ({venues.format(catalog)}) as now using (asset, as_of, venue)
    where old.is_set_apart <> now.is_set_apart
    """


def _late_rows(kind: str) -> str:
    """Return the statement that adds rows of a kind ingested after the hour was published.

    A row changes the hour it is of and, through positions that stay open, those after it. One that
    replaces a row of the same key corrects it.
    """
    relation = raw_relation(kind)
    columns = relation.column_names
    instant = relation.instant
    key = [name for name in relation.grain if name != "ingested_at"]
    known = " and ".join(f"known.{name} is not distinct from landed.{name}" for name in key)
    origin = next(name for name in ("provider", "venue", "source") if name in columns)
    joined = ""
    asset = "null" if "asset" not in columns else "landed.asset"
    if "instrument" in columns:
        joined = "inner join staging.stg_instrument as instrument using (venue, instrument)"
        asset = "instrument.asset"
    first = f"landed.{instant}"
    if kind == "leverage_bracket":
        # The oldest brackets known also hold for the time before them.
        first = (
            "if(exists (from raw.leverage_bracket as older where older.venue = landed.venue and "
            "older.instrument = landed.instrument and older.ingested_at <= $since), "
            f"{first}, '-infinity'::timestamptz)"
        )
    compared = "<" if kind in _BEGINNING else "<="
    return f"""
    insert into change_evidence
    with late as (
        select
            {asset} as asset,
            landed.{origin} as origin,
            exists (from raw.{kind} as known where {known} and known.ingested_at <= $since)
            as is_corrected,
            min({first}) as first_at,
        from raw.{kind} as landed {joined}
        where landed.ingested_at > $since
        group by all
    )
    select
        changed_hour.asset, changed_hour.as_of, null,
        if(is_corrected, 'correction', 'late_data'),
        if(is_corrected, 'corrected ', 'late ') || {quoted(_KINDS[kind])} || ' of ' || origin
        || if(isfinite(first_at), ' from ' || strftime(first_at, '%Y-%m-%d %H:%M'), ''),
    from changed_hour
    inner join late
        on coalesce(late.asset, changed_hour.asset) = changed_hour.asset
        and late.first_at {compared} make_timestamptz(epoch_us(changed_hour.as_of))
    """
