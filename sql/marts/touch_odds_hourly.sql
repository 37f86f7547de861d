-- Odds that price reaches each bin of a map within 24 hours, whatever the map.
--
-- Materialized: view
-- Known limitation: a baseline that uses distance, volatility and the calendar only.

with
odds as (
    select
        asset,
        as_of,
        venue,
        price,
        generate_subscripts(touch_probability_24h_ratio, 1)::integer
        - 1
        + first_bin_index as bin_index,
        unnest(touch_probability_24h_ratio)::double as touch_probability_24h_ratio,
        volatility_ahead_ratio,
    from derived.touch_odds
),

bin as (
    select
        asset,
        as_of,
        venue,
        bin_index,
        bin_edge(bin_index) as price_low,
        bin_edge(bin_index + 1) as price_high,
        touch_probability_24h_ratio,
        price,
        volatility_ahead_ratio,
    from odds
)

select * from bin
