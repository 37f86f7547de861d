-- What models expected of each side over the hours of a window, beside what was published.
--
-- from_at, until_at: the window

select
    provider,
    side,
    count(realised_usd) as hour_count,
    sum(expected_usd) filter (
        where tier = 'all' and realised_usd is not null
    ) as expected_usd,
    sum(realised_usd) filter (where tier = 'all') as realised_usd,
    avg(
        (realised_usd between expected_low_usd and expected_high_usd)::integer
    ) as interval_coverage_ratio,
    sum(expected_usd) filter (where tier in ('move', 'constant'))
    / nullif(
        sum(expected_usd) filter (where tier in ('map', 'move', 'constant')), 0
    ) as off_map_ratio,
from marts.liquidation_forecast_hourly
where asset = $asset and as_of > $from_at and as_of <= $until_at and not is_left_out
group by provider, side
order by provider, side
