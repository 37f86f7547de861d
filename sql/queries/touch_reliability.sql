-- How often price touched bands with given odds, by group of odds, at the newest midnight measured,
-- not later than $as_of.

select *
from marts.touch_reliability_daily
where
    asset = $asset
    and provider = $provider
    and as_of <= $as_of
qualify as_of = max(as_of) over ()
order by odds_group
