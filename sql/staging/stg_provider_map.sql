-- Maps of other providers and measured positions: the cells of each map's newest capture.
--
-- Grain: provider, model, window, venue_scope, asset, as_of, price_low, price_high, side, leverage
-- Materialized: view

select *
from raw.provider_map
qualify
    dense_rank() over (
        partition by provider, model, "window", venue_scope, asset, as_of
        order by ingested_at desc, raw_sha256 desc
    ) = 1
