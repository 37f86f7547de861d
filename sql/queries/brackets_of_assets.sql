-- Margin brackets of some assets by instrument and validity, each column a list, oldest set first.

select
    venue,
    instrument,
    epoch_us(valid_from_at) as valid_from_at,
    min(leverage_bracket.source) as source,
    max(liquidation_fee_ratio) as liquidation_fee_ratio,
    list(notional_floor_usd order by bracket) as notional_floor_usd,
    list(coalesce(notional_cap_usd, 'infinity'::double) order by bracket) as notional_cap_usd,
    list(maintenance_margin_ratio order by bracket) as maintenance_margin_ratio,
    list(maintenance_deduction_usd order by bracket) as maintenance_deduction_usd,
    list(max_leverage order by bracket) as max_leverage,
from staging.stg_leverage_bracket as leverage_bracket
inner join staging.stg_instrument using (venue, instrument)
where list_contains($assets, asset)
group by venue, instrument, leverage_bracket.valid_from_at
order by venue, instrument, leverage_bracket.valid_from_at
