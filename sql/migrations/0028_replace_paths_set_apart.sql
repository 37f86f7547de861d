-- Ledgers followed venues that were set apart, and what was predicted of these was added: assets are
-- built again from the first hour in which a venue was.

insert into meta.pending_build
select
    asset,
    min(as_of) - interval 1 hour
from intermediate.int_quality_measures
where set_apart_price_ratio is not null
group by asset;
