-- Assets with rows of hours that are not built yet, and since when, for meta.pending_build.
--
-- until_at: the end of what is built
-- assets: which assets

with
ahead as (
    select
        venue,
        instrument,
        bar_start_at as from_at,
    from raw.ohlcv
    where bar_start_at >= $until_at
    union all
    select
        venue,
        instrument,
        bar_start_at as from_at,
    from raw.mark_ohlc
    where bar_start_at >= $until_at
    union all
    select
        venue,
        instrument,
        observed_at - interval 1 minute as from_at,
    from raw.open_interest
    where observed_at > $until_at
)

select
    asset,
    greatest(min(from_at), $until_at) as from_at,
from ahead
inner join staging.stg_instrument using (venue, instrument)
where list_contains($assets, asset)
group by asset
union all
select
    asset,
    greatest(min(as_of) - interval 1 minute, $until_at) as from_at,
from raw.provider_map
where as_of > $until_at and list_contains($assets, asset)
group by asset
