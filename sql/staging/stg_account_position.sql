-- Changes of positions of accounts: the newest row of each.
--
-- Grain: venue_scope, account_key, asset, observed_at
-- Materialized: view

-- Larger values break ties, so that the result depends on the rows alone.

select *
from raw.account_position
qualify
    row_number() over (
        partition by venue_scope, account_key, asset, observed_at
        order by
            ingested_at desc, source, change desc, side desc, quantity desc,
            previous_quantity desc, entry_price desc, liquidation_price desc, leverage desc,
            is_cross desc, margin_usd desc, mark_price desc, account_value_usd desc,
            previous_at desc, traded_from_at desc, traded_until_at desc
    ) = 1
