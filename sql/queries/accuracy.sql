-- Skill of every model on an asset at the newest midnight,
-- not later than $as_of where that is given.

select *
from marts.estimator_skill_daily
where asset = $asset and as_of <= coalesce($as_of, 'infinity'::timestamp)
qualify as_of = max(as_of) over ()
order by window_days, provider, null_model
