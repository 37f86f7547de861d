-- USD that ledgers expected before capture, by hour, of some assets.
--
-- from_at, until_at: hours with from_at < as_of <= until_at
-- assets: which assets

select
    asset,
    provider,
    epoch_us(as_of) as hour,
    max(if(side = 'long', map_usd + move_usd + constant_usd, null)) as long_usd,
    max(if(side = 'short', map_usd + move_usd + constant_usd, null)) as short_usd,
from derived.path_exposure
where
    as_of > $from_at
    and as_of <= $until_at
    and list_contains($assets, asset)
    and map_usd is not null
group by asset, provider, as_of
order by asset, provider, hour
