-- What a model expected of an asset beside what was published, by week or month: hours that have
-- both, both sides together. A week begins on Monday.
--
-- asset, provider
-- until_at: hours up to it
-- period: week or month

select
    date_trunc($period, as_of - interval 1 hour) as period_at,
    count(distinct as_of) as hour_count,
    sum(expected_usd) as expected_usd,
    sum(realised_usd) as realised_usd,
    sum(expected_usd) / nullif(sum(realised_usd), 0) as expected_ratio,
    bool_or(completeness = 'lower_bound') as is_lower_bound,
from marts.liquidation_forecast_hourly
where
    asset = $asset
    and provider = $provider
    and as_of <= $until_at
    and tier = 'all'
    and not is_left_out
    and expected_usd is not null
    and realised_usd is not null
group by period_at
order by period_at
