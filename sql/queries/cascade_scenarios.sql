-- Scenarios of a move of price on one map in its newest hour,
-- not later than $as_of, from the deepest fall to the highest rise.

with
newest as (
    select max(as_of) as as_of
    from marts.cascade_scenarios_hourly
    where asset = $asset and provider = $provider and venue = $venue and as_of <= $as_of
)

select scenario.*
from marts.cascade_scenarios_hourly as scenario
where
    scenario.asset = $asset
    and scenario.provider = $provider
    and scenario.venue = $venue
    and scenario.as_of = (select newest.as_of from newest)
order by shock_ratio
