-- What has published bands: providers and venues of an asset, other assets where it has none.

with
published as (
    select distinct
        asset,
        provider,
        venue,
        asset = $asset as is_own,
    from marts.liquidation_bands_hourly
)

select if(is_own, provider || ' on ' || venue, asset) as known,
from published
group by known, is_own
qualify is_own or not bool_or(is_own) over ()
order by known
limit 60
