-- Fits of ledgers, one row each with its parameters in order: those that hold in some hours.
--
-- assets: which assets
-- structures: hashes of the structures that are run
-- end_at: later fits are left out

select
    asset,
    provider,
    structure_hash,
    params_hash,
    any_value(fitted_on) as fitted_on,
    epoch_us(valid_from_at) as valid_from,
    epoch_us(any_value(fitted_from_at)) as fitted_from,
    epoch_us(any_value(fitted_until_at)) as fitted_until,
    any_value(hour_count) as hour_count,
    any_value(volume_usd) as volume_usd,
    any_value(is_pooled) as is_pooled,
    list(value order by parameter_index) filter (where parameter like 'weight%') as weights,
    list(coalesce(log_sd, 'infinity'::double) order by parameter_index) filter (
        where parameter <> 'floor'
    ) as log_sd,
    list(draws order by parameter_index) filter (
        where parameter <> 'floor' and draws is not null
    ) as draws,
    max(value) filter (where parameter = 'move') as move_weight,
    max(value) filter (where parameter = 'constant') as constant,
    max(value) filter (where parameter = 'floor') as floor,
from derived.calibration
where
    list_contains($assets, asset)
    and list_contains($structures, structure_hash)
    and valid_from_at <= $end_at
    and status = 'fitted'
group by asset, provider, structure_hash, params_hash, valid_from_at
order by asset, provider, valid_from
