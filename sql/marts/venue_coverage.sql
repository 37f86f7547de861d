-- Kinds of contracts by venue: which are followed, and why the others are not.
--
-- Materialized: table
-- Known limitation: made from the declarations by sources/venues/coverage.py, not by hand.

with
venue_coverage (venue, contract_class, is_followed, reason) as (
    values
    ('binance', 'linear_usdt', true, null),
    ('binance', 'linear_usdc', true, null),
    ('binance', 'inverse', false, 'followed as the venue binancecoinm'),
    ('binance', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('binancecoinm', 'linear_usdt', false, 'followed as the venue binance'),
    ('binancecoinm', 'linear_usdc', false, 'followed as the venue binance'),
    ('binancecoinm', 'inverse', true, null),
    ('binancecoinm', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('bitget', 'linear_usdt', true, null),
    ('bitget', 'linear_usdc', false, 'not supported yet'),
    ('bitget', 'inverse', false, 'published in coins, not in USD contracts'),
    ('bitget', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('bybit', 'linear_usdt', true, null),
    ('bybit', 'linear_usdc', true, null),
    ('bybit', 'inverse', true, null),
    ('bybit', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('deribit', 'linear_usdt', false, 'the venue does not list them'),
    ('deribit', 'linear_usdc', true, null),
    ('deribit', 'inverse', true, null),
    ('deribit', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('gate', 'linear_usdt', true, null),
    ('gate', 'linear_usdc', false, 'the venue does not list them'),
    ('gate', 'inverse', true, null),
    ('gate', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('htx', 'linear_usdt', true, null),
    ('htx', 'linear_usdc', false, 'the venue does not list them'),
    ('htx', 'inverse', true, null),
    ('htx', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('hyperliquid', 'linear_usdt', false, 'the venue does not list them'),
    ('hyperliquid', 'linear_usdc', true, null),
    ('hyperliquid', 'inverse', false, 'the venue does not list them'),
    ('hyperliquid', 'dated', false, 'the venue does not list them'),
    ('kucoin', 'linear_usdt', true, null),
    ('kucoin', 'linear_usdc', true, null),
    ('kucoin', 'inverse', true, null),
    ('kucoin', 'dated', false, 'they expire and trade at a basis to the perpetual'),
    ('mexc', 'linear_usdt', true, null),
    ('mexc', 'linear_usdc', true, null),
    ('mexc', 'inverse', true, null),
    ('mexc', 'dated', false, 'the venue does not list them'),
    ('okx', 'linear_usdt', true, null),
    ('okx', 'linear_usdc', true, null),
    ('okx', 'inverse', true, null),
    ('okx', 'dated', false, 'they expire and trade at a basis to the perpetual')
)

select * from venue_coverage
