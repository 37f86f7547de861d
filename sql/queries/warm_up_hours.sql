-- Hours in which most of the open interest belongs to series in warm-up.
--
-- asset, provider, venue: whose map; venue 'all' is all of them
-- from_at, until_at: hours with from_at < as_of <= until_at

select as_of
from marts.series_books_hourly
where
    asset = $asset
    and provider = $provider
    and $venue in (venue, 'all')
    and as_of > $from_at
    and as_of <= $until_at
group by as_of
having
    coalesce(sum(open_interest_base) filter (where is_warm_up), 0) > 0.5 * sum(open_interest_base)
