-- Scenarios of a move of price on one map in its newest hour,
-- not later than $as_of where that is given, from the deepest fall to the highest rise.

with
chosen as (
    select *
    from marts.cascade_scenarios_hourly
    where
        asset = $asset
        and provider = $provider
        and venue = $venue
        and as_of = (
            select max(as_of)
            from marts.cascade_scenarios_hourly
            where
                asset = $asset
                and provider = $provider
                and venue = $venue
                and as_of <= coalesce($as_of, 'infinity'::timestamptz)
        )
)

select * from chosen
order by shock_ratio
