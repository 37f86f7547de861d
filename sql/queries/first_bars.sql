-- First bar of each of some assets, on whichever contract [us].
--
-- assets: which assets

select
    asset,
    epoch_us(min(bar_start_at)) as first_bar,
from raw.ohlcv
inner join staging.stg_instrument using (venue, instrument)
where list_contains($assets, asset)
group by asset
