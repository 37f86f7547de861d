-- Squared hourly returns and volumes in the window: of venues, and of the market as venue 'all'.
--
-- venues: venues that have maps of their own

with
venue_hour as (
    select
        asset,
        venue,
        as_of,
        squared_log_return,
        volume_usd,
    from intermediate.int_instrument_hour
    where in_window(as_of) and in_window_assets(asset)
),

scope_hour as (
    select * replace ('all' as venue)
    from venue_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    union all
    select *
    from venue_hour
    where list_contains($venues, venue)
)

select
    asset,
    venue,
    epoch_us(as_of) as hour,
    coalesce(median(squared_log_return), 'nan'::double) as squared_log_return,
    sorted_sum(volume_usd) as volume_usd,
from scope_hour
group by asset, venue, as_of
