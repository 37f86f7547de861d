-- Rows of derived.outside_map in the window: each capture, and the sum over a provider's venues.
--
-- all_venues: name of the sum over venues
-- tolerance: how far outside the prices of its hour a provider's own price may lie [ratio]
-- run_id: the run that writes them

with
-- Single positions lie at their liquidation price and are valued there; open interest is valued at
-- the market's.
cell as (
    select
        *,
        value * if(
            price_low = price_high, coalesce(reference_price, traded_price) / price_low, 1
        ) as open_value,
    from intermediate.int_outside_cell
),

single as (
    select
        asset,
        as_of,
        provider,
        venue,
        captured_at,
        any_value("window") as "window",
        unit,
        semantics,
        any_value(reference_price) as reference_price,
        any_value(columns('^traded_')),
        min(price_low) as covered_price_low,
        max(price_high) as covered_price_high,
        count(*) filter (where value > 0) as cell_count,
        max(observed_open_interest_ratio) filter (where side = 'long') as stated_long_ratio,
        max(observed_open_interest_ratio) filter (where side = 'short') as stated_short_ratio,
        sorted_sum(if(side = 'long' and unit = 'usd', open_value, null)) as long_usd,
        sorted_sum(if(side = 'short' and unit = 'usd', open_value, null)) as short_usd,
        list_sort(list(distinct raw_sha256)) as raw_sha256,
    from cell
    group by asset, as_of, provider, venue, captured_at, unit, semantics
),

summed as (
    select
        asset,
        as_of,
        provider,
        $all_venues as venue,
        max(captured_at) as captured_at,
        any_value("window") as "window",
        unit,
        semantics,
        median(reference_price) as reference_price,
        any_value(columns('^traded_')),
        min(covered_price_low) as covered_price_low,
        max(covered_price_high) as covered_price_high,
        sum(cell_count)::bigint as cell_count,
        sorted_sum(columns('^(long|short)_usd$')),
        list_sort(list_distinct(flatten(list(raw_sha256)))) as raw_sha256,
    from single
    anti join intermediate.int_set_apart using (asset, venue, as_of)
    group by asset, as_of, provider, unit, semantics
    having count(*) > 1 and not bool_or(venue = $all_venues)
),

capture as (
    select * from single
    union all by name
    select * from summed
),

scope_hour as (
    select
        asset,
        unnest(if(price_ratio is null, [venue, $all_venues], [venue])) as venue,
        as_of,
        open_interest_usd,
    from intermediate.int_instrument_hour
    left join intermediate.int_set_apart using (asset, venue, as_of)
    where in_window(as_of) and in_window_assets(asset)
),

held as (
    select
        asset,
        venue,
        as_of,
        sorted_sum(open_interest_usd) as open_interest_usd,
    from scope_hour
    group by asset, venue, as_of
)

select
    capture.* exclude (
        traded_price, traded_low, traded_high, stated_long_ratio, stated_short_ratio, long_usd,
        short_usd
    ),
    -- A map of measured positions holds at least the positions that were measured.
    if(
        is_measured(provider), coalesce(stated_long_ratio, long_usd / open_interest_usd), null
    ) as observed_long_ratio,
    if(
        is_measured(provider), coalesce(stated_short_ratio, short_usd / open_interest_usd), null
    ) as observed_short_ratio,
    coalesce(
        reference_price >= traded_low * (1 - $tolerance)
        and reference_price <= traded_high * (1 + $tolerance),
        true
    ) as is_fitting,
    provider as params_hash,
    $run_id as run_id,
from capture
left join held using (asset, venue, as_of)
where coalesce(traded_price, reference_price) is not null
