-- Assets and venues of active instruments without a measure at an hour.
--
-- A feed of several venues together (binance+bybit) is no venue that trades.

select
    asset,
    venue,
from staging.stg_instrument
where is_active and not contains(venue, '+')
except
select
    asset,
    venue,
from intermediate.int_quality_measures
where as_of = $as_of
