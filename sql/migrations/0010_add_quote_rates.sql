-- What stablecoins are worth, and no guessed funding intervals.

create table raw.quote_rate (
    venue varchar not null,
    pair varchar not null,
    observed_at timestamptz not null,
    price double not null,
    source varchar not null,
    ingested_at timestamptz not null
);

-- Live payments of Bybit, Gate, Bitget and KuCoin carried the interval that held when they were
-- fetched. What a payment covered is derived from the spacing of payments; only venues with one
-- interval for all contracts and all times send it.
insert into meta.pending_publish
select distinct unnest([funded_at::date, (funded_at + interval 1 day)::date])
from raw.funding_rate;

update raw.funding_rate set funding_interval_hours = null
where source like 'ccxt:%' and venue not in ('hyperliquid', 'deribit');
