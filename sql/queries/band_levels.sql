-- Bands of estimators and outside providers in the window, all venues, each at its densest bin.
--
-- left_out: providers that are not counted: the consensus of the others, true positions

select
    asset,
    epoch_us(as_of) as hour,
    zone,
    log_bin_centre(peak_bin_index)::double as log_price,
    coalesce(touch_probability_24h_ratio, 'nan'::double) as probability,
    agreeing_provider_count::double as agreeing,
    provider_count::double as votes,
from derived.band
where
    venue = 'all'
    and as_of > $from_at
    and as_of <= $until_at
    and not list_contains($left_out, provider)
order by asset, hour, provider, side, rank
