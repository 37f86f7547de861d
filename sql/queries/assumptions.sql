-- Sensitivities of one provider and asset: the newest hour,
-- not later than $as_of where that is given.

with
chosen as (
    select *
    from marts.assumption_sensitivity_hourly
    where
        asset = $asset
        and provider = $provider
        and side = 'both'
        and as_of <= coalesce($as_of, 'infinity'::timestamp)
)

select *
from chosen
qualify as_of = max(as_of) over ()
order by overlap_ratio nulls last, assumption, variant
