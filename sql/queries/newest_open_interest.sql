-- The newest open interest of each instrument, and what was quarantined after it.
--
-- since: earlier observations are left out
-- set_aside: how the reason of quarantined rows begins that a later one may confirm

with
newest as (
    select
        venue,
        instrument,
        max(observed_at) as observed_at,
        arg_max(open_interest_quantity, observed_at) as quantity,
        arg_max(ingested_at, observed_at) as ingested_at,
    from raw.open_interest
    where observed_at >= $since
    group by venue, instrument
),

held as (
    select
        venue,
        instrument,
        ingested_at,
        contains(reason, 'price') as is_price,
        try_cast(regexp_extract(reason, ': ([0-9.e+-]+) is ', 1) as double) as quantity,
    from quality.quarantine
    where kind = 'open_interest' and starts_with(reason, $set_aside) and ingested_at >= $since
)

select
    newest.venue,
    newest.instrument,
    any_value(newest.observed_at) as observed_at,
    any_value(newest.quantity) as quantity,
    median(held.quantity) as held_quantity,
    count(distinct held.ingested_at) as held_count,
    coalesce(max(held.ingested_at) - min(held.ingested_at), interval 0 seconds) as held_for,
    coalesce(bool_or(held.is_price), false) as is_held_price,
from newest
left join held
    on
        newest.venue = held.venue
        and newest.instrument = held.instrument
        and newest.ingested_at < held.ingested_at
group by newest.venue, newest.instrument
