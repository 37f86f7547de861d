-- Open interest of each venue as counted here and as the venue reports it.
--
-- Materialized: table
-- Known limitation: a stablecoin whose rate is not known counts as one USD.

with
-- An observation holds for a day.
held as (
    select
        asset,
        venue,
        instrument,
        contract_kind,
        last_open_interest_at,
        open_interest_base,
        open_interest_usd,
        sides_counted,
        unnest(hours_held(as_of, lead(as_of) over instrument_time, 24)) as as_of,
    from intermediate.int_instrument_hour
    where open_interest_usd is not null and in_window(as_of, interval 23 hours)
    window instrument_time as (partition by asset, venue, instrument order by as_of)
),

built_hour as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_quality_measures
    where in_window(as_of)
),

in_usd as (
    select
        held.* replace (
            held.open_interest_usd * coalesce(quote_rate.usd_rate, 1) as open_interest_usd
        ),
        instrument.quote,
    from held
    semi join built_hour using (asset, venue, as_of)
    left join staging.stg_instrument as instrument using (venue, instrument)
    left join intermediate.int_quote_rate_hour as quote_rate using (as_of, quote)
),

venue_hour as (
    select
        asset,
        venue,
        as_of,
        sorted_sum(open_interest_base) as open_interest_base,
        sorted_sum(open_interest_usd) as open_interest_usd,
        -- One contract whose sides are not known leaves the sum unknown.
        if(
            count(sides_counted) = count(*), sorted_sum(open_interest_usd * sides_counted), null
        ) as open_interest_reported_usd,
        if(
            count(sides_counted) = count(*) and min(sides_counted) = max(sides_counted),
            max(sides_counted),
            null
        ) as sides_counted,
        count(*) as instrument_count,
        list_sort(list(distinct contract_kind)) as contract_kinds,
        list_sort(list(distinct quote)) as quotes,
        epoch(as_of - max(last_open_interest_at)) as newest_open_interest_age_seconds,
    from in_usd
    group by asset, venue, as_of
),

with_share as (
    select
        venue_hour.*,
        set_apart.price_ratio is not null as is_set_apart,
        case
            when set_apart.price_ratio is null
                then
                    open_interest_usd
                    / nullif(
                        list_sum(
                            list_sort(
                                list(open_interest_usd) filter (
                                    where set_apart.price_ratio is null
                                ) over (partition by asset, as_of)
                            )
                        ),
                        0
                    )
        end as open_interest_share_ratio,
    from venue_hour
    left join intermediate.int_set_apart as set_apart using (asset, venue, as_of)
),

venue_open_interest as (
    select
        asset,
        venue,
        as_of,
        open_interest_base,
        open_interest_usd,
        open_interest_reported_usd,
        sides_counted,
        open_interest_share_ratio,
        is_set_apart,
        instrument_count,
        contract_kinds,
        quotes,
        newest_open_interest_age_seconds,
        -- Lists in words, for tools that know no lists.
        array_to_string(contract_kinds, ', ') as contract_kinds_text,
        array_to_string(quotes, ', ') as quotes_text,
    from with_share
)

select * from venue_open_interest
