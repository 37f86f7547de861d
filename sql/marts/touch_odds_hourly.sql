-- Odds that price reaches each bin of a map within 24 hours, whatever the map.
--
-- Materialized: view
-- Known limitation: a baseline that uses distance, volatility and the calendar only.

with
-- Only the index is unnested, as in marts.liquidation_heatmap_hourly.
odds as (
    select
        *,
        unnest(range(1, bin_count + 1)) as place,
    from marts.touch_odds_arrays
),

bin as (
    select
        asset,
        as_of,
        venue,
        (first_bin_index + place - 1)::integer as bin_index,
        bin_edge(first_bin_index + place - 1) as price_low,
        bin_edge(first_bin_index + place) as price_high,
        touch_probability_24h_ratio[place]::double as touch_probability_24h_ratio,
        price,
        volatility_ahead_ratio,
    from odds
)

select * from bin
