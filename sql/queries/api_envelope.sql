-- What accompanies an answer about one asset and hour: grade, coverage, parameters of the map.
--
-- Coverage is the share of the last 24 hours that bars and open interest cover, the smaller of the
-- two; of all venues, their mean weighted by open interest.
--
-- asset, venue, as_of; provider: whose map, or NULL

with
venue_quality as (
    select
        venue,
        grade,
        open_interest_usd,
        least(bar_coverage_24h_ratio, open_interest_coverage_24h_ratio) as coverage,
    from marts.asset_quality_hourly
    where asset = $asset and as_of = $as_of
),

-- A venue without a grade of its own has that of the asset.
grade as (
    select grade
    from venue_quality
    where venue in ($venue, 'all')
    order by venue = 'all'
    limit 1
),

coverage as (
    select
        sum(coverage * open_interest_usd)
        / nullif(sum(open_interest_usd) filter (where coverage is not null), 0) as coverage,
    from venue_quality
    where venue <> 'all' and $venue in ('all', venue)
),

map as (
    select
        any_value(unit) as unit,
        any_value(semantics) as semantics,
        any_value(params_hash) as params_hash,
    from marts.liquidation_heatmap_arrays
    where asset = $asset and provider = $provider and venue = $venue and as_of = $as_of
)

select
    grade.grade,
    coverage.coverage,
    map.params_hash,
    map.unit,
    map.semantics,
from map
cross join coverage
left join grade on true
