-- Fills an empty warehouse for the benchmark of measures and suites: `assets` on `venues`, eight days
-- of hours up to `last_hour`, maps of the last two. The three are variables.

create temp table series as
select
    'A' || lpad(asset::varchar, 3, '0') as asset,
    'venue' || venue as venue,
    'A' || lpad(asset::varchar, 3, '0') || '/USDT:USDT' as instrument,
    1e6 * (1 + (asset * 7 + venue * 3) % 50) as open_interest
from range(getvariable('assets')) as of_asset (asset), range(getvariable('venues')) as v (venue);

create temp table hour as
select getvariable('last_hour') - interval 1 hour * number as as_of
from range(193) as of_hour (number);

insert into raw.instrument by name
select
    venue, instrument, asset, 'USDT' as quote, 'linear' as contract_kind, 1 as contract_size,
    1 as base_multiplier, true as is_active,
    getvariable('last_hour') - interval 9 days as observed_at,
    'bench' as source, getvariable('last_hour') as ingested_at
from series;

insert into intermediate.int_instrument_hour by name
select
    venue, instrument, asset, 'linear' as contract_kind, as_of, 300 as bar_seconds,
    12 as bar_count, 100 as open, 101 as high, 99 as low, 100 + 0.1 * random() as close,
    100 as mark_close, 1e-5 as squared_log_return, open_interest * random() as volume_quantity,
    open_interest * random() as volume_base, open_interest * random() * 100 as volume_usd,
    0 as zero_volume_bar_count, 12 as open_interest_observed_count,
    open_interest as open_interest_quantity, open_interest as open_interest_base,
    open_interest * 100 as open_interest_usd, 12 as change_observed_count,
    (random() < 0.001)::integer as violation_count,
    open_interest * 0.01 as absolute_change_quantity,
    [open_interest * 0.003 * random(), open_interest * 0.002, open_interest * 0.001]
        as largest_changes_quantity,
    0.01 * random() as largest_change_ratio, 0 as unchanged_traded_bar_count,
    0.001 as audit_deviation_ratio, as_of as last_bar_end_at, 0.0001 as largest_price_gap_ratio,
    0.001 as largest_mark_deviation_ratio, 0 as repeated_bar_count,
    open_interest * 0.05 as median_bar_volume_quantity,
    open_interest * random() as largest_bar_volume_quantity, as_of as last_open_interest_at
from series, hour;

insert into intermediate.int_row_audit
select venue, instrument, asset, as_of, 12, 12, 12, 0, 0, 0, 0 from series, hour;

insert into derived.series_hour by name
select
    asset, as_of, provider, venue, instrument, 100 as price, open_interest as open_interest_base,
    open_interest as long_base, open_interest as short_base, 0.01 * random() as consumed_long_base,
    0 as excess_long_base, 0 as excess_short_base, 1e-14 as books_error_ratio, 12 as bar_count,
    0 as violation_count, 0 as imputed_count, 'mark' as liquidation_price_source,
    false as is_warm_up, 'bench' as params_hash, 'bench' as run_id
from series, hour, (select unnest(['one', 'two', 'three', 'four', 'five']) as provider)
where as_of > getvariable('last_hour') - interval 25 hours;

insert into derived.heatmap by name
select
    asset, as_of, provider, venue, side, 100 as price,
    -- Price 100 stands in bin 2302, longs below it and shorts above.
    if(side = 'long', 2302 - 240, 2303) as first_bin_index,
    list_transform(range(240), lambda bin: (total * 20 / 240 * (0.5 + random()))::float)
        as liquidation_usd,
    'usd' as unit, 'standing' as semantics, 'bench' as params_hash, 'bench' as run_id
from (
    select asset, venue, open_interest as total from series
    union all
    select asset, 'all' as venue, sum(open_interest) as total from series group by asset
),
(select as_of from hour order by as_of desc limit 2),
(select unnest(['one', 'two', 'three', 'four', 'five']) as provider),
(select unnest(['long', 'short']) as side);

-- The sum of venues is their sum.
update derived.heatmap as whole
set liquidation_usd = part.summed
from (
    select asset, as_of, provider, side,
        list_transform(range(1, 241), lambda bin:
            list_sum([one[bin]::double for one in list(liquidation_usd)])::float) as summed
    from derived.heatmap where venue <> 'all' group by all
) as part
where whole.venue = 'all' and whole.asset = part.asset and whole.as_of = part.as_of
    and whole.provider = part.provider and whole.side = part.side;
