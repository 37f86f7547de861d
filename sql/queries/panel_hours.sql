-- Price, volume, open interest and realised liquidations of an asset hour by hour, in the window of
-- hours and assets that is set. Venues that are set apart are in none of it.

with
instrument_hour as (
    select
        asset,
        venue,
        instrument,
        as_of,
        open,
        high,
        low,
        close,
        volume_usd,
        open_interest_usd,
        bar_count * bar_seconds < 3600 or violation_count > 0 as is_flagged,
    from intermediate.int_instrument_hour
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    where in_window_assets(asset) and in_window(as_of)
),

path as (
    select distinct
        asset,
        as_of,
        reference_venue as venue,
        reference_instrument as instrument,
    from derived.path_exposure
    where in_window_assets(asset) and in_window(as_of)
),

-- The contract whose bars are the path; without one, the most traded of the hour.
reference as (
    select
        instrument_hour.asset,
        instrument_hour.as_of,
        instrument_hour.venue,
        instrument_hour.open,
        instrument_hour.high,
        instrument_hour.low,
        instrument_hour.close,
    from instrument_hour
    left join path using (asset, as_of, venue, instrument)
    qualify
        row_number() over (
            partition by instrument_hour.asset, instrument_hour.as_of
            order by
                path.asset is not null desc,
                instrument_hour.volume_usd desc,
                instrument_hour.venue,
                instrument_hour.instrument
        ) = 1
),

asset_hour as (
    select
        asset,
        as_of,
        sorted_sum(volume_usd) as volume_usd,
        max(volume_usd) as largest_volume_usd,
        sorted_sum(open_interest_usd) as open_interest_usd,
        list(distinct venue) filter (where is_flagged) as flagged_venues,
    from instrument_hour
    group by asset, as_of
),

panel_hour as (
    select
        asset,
        as_of,
        reference.venue as reference_venue,
        reference.open,
        reference.high,
        reference.low,
        reference.close,
        asset_hour.volume_usd,
        asset_hour.largest_volume_usd,
        asset_hour.open_interest_usd,
        realised_liquidation.realised_long_liquidation_usd as realised_long_usd,
        realised_liquidation.realised_short_liquidation_usd as realised_short_usd,
        array_to_string(realised_liquidation.realised_liquidation_venues, '+') as venue_scope,
        realised_liquidation.realised_liquidation_feeds as realised_feeds,
        coalesce(realised_liquidation.is_realised_liquidation_complete, false) as is_complete,
        coalesce(realised_liquidation.is_realised_liquidation_partial, false)
        or coalesce(list_contains(asset_hour.flagged_venues, reference.venue), false)
        or coalesce(
            list_has_any(
                asset_hour.flagged_venues, realised_liquidation.realised_liquidation_venues
            ),
            false
        ) as is_flagged,
    from reference
    inner join asset_hour using (asset, as_of)
    left join intermediate.int_realised_liquidation_hour as realised_liquidation
        using (asset, as_of)
)

select
    epoch_us(as_of) as span_end,
    * exclude (as_of),
from panel_hour
order by asset, as_of
