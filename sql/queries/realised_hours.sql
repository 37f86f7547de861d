-- Published liquidations of the hours in the window and the week before it, of some assets.
--
-- assets: which assets

select
    asset,
    epoch_us(as_of) as hour,
    realised_long_liquidation_usd as long_usd,
    realised_short_liquidation_usd as short_usd,
from intermediate.int_realised_liquidation_hour
where list_contains($assets, asset) and not is_realised_liquidation_partial
order by asset, hour
