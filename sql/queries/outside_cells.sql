-- Cells of outside providers' maps in the window, in the order of maps, with the price they are at.

select
    asset,
    provider,
    venue,
    set_apart.price_ratio is not null as is_set_apart,
    unit,
    semantics,
    epoch_us(as_of) as hour,
    coalesce(traded_price, reference_price) as price,
    -- A cell of unknown side belongs to longs below the provider's price, to shorts above it.
    if(
        side = 'unknown',
        price_high > coalesce(reference_price, traded_price),
        side = 'short'
    )::bigint as side,
    price_low,
    price_high,
    value,
from intermediate.int_outside_cell
left join intermediate.int_set_apart as set_apart using (asset, venue, as_of)
where coalesce(traded_price, reference_price) is not null
order by asset, provider, unit, semantics, venue, hour, side, price_low, price_high, value
