-- The last observed hour before holes that new observations may fill, by asset of batch_from_at.
--
-- observed_from: earlier observations are not new
-- hole_from: no hole begins earlier

with
new_observation as (
    select distinct
        asset,
        venue,
        instrument,
    from staging.stg_instrument
    inner join batch_from_at using (asset)
    inner join raw.open_interest as open_interest using (venue, instrument)
    where
        open_interest.observed_at > $observed_from
        and epoch_us(open_interest.observed_at) > from_at
),

reached as (
    select
        asset,
        venue,
        instrument,
        arg_max(if(imputed_count = 0, as_of, as_of - interval 1 hour), as_of) as reached_at,
    from derived.series_hour
    inner join batch_from_at using (asset)
    semi join new_observation using (asset, venue, instrument)
    where as_of > $hole_from and epoch_us(as_of) <= from_at and bar_count > imputed_count
    group by asset, venue, instrument
)

select
    asset,
    epoch_us(min(reached_at)) as reached_at,
from reached
group by asset
