-- The price around which each map was drawn, as bars without range: for maps without bars.
--
-- asset, provider, venue: whose map
-- from_at, until_at: hours with from_at < as_of <= until_at

select
    as_of,
    any_value(price) as open,
    open as high,
    open as low,
    open as close,
from derived.heatmap
where
    asset = $asset
    and provider = $provider
    and venue = $venue
    and as_of > $from_at
    and as_of <= $until_at
group by as_of
order by as_of
