-- Published hours after an instant, oldest first.
--
-- after_at: the instant

select distinct as_of
from marts.asset_quality_hourly
where as_of > $after_at
order by as_of
