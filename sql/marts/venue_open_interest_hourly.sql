-- Open interest of each venue as counted here and as the venue reports it.
--
-- Materialized: table
-- Known limitation: a stablecoin whose rate is not known counts as one USD.

with
instrument_hour as (
    select
        asset,
        venue,
        instrument,
        contract_kind,
        as_of,
        last_open_interest_at,
        open_interest_base,
        open_interest_usd,
        sides_counted,
    from intermediate.int_instrument_hour
    where
        open_interest_usd is not null
        -- An observation stands for a day.
        and as_of
        > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        - interval 23 hours
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

instrument as (
    select
        venue,
        instrument,
        quote,
    from staging.stg_instrument
),

quote_rate as (
    select
        as_of,
        quote,
        usd_rate,
    from intermediate.int_quote_rate_hour
),

set_apart as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_set_apart
),

built_hour as (
    select
        asset,
        venue,
        as_of,
    from intermediate.int_quality_measures
    where
        as_of > coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
        and as_of <= coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
),

with_next as (
    select
        instrument_hour.asset,
        instrument_hour.venue,
        instrument_hour.contract_kind,
        instrument.quote,
        instrument_hour.as_of,
        instrument_hour.last_open_interest_at,
        instrument_hour.open_interest_base,
        instrument_hour.open_interest_usd,
        instrument_hour.sides_counted,
        lead(instrument_hour.as_of) over (
            partition by
                instrument_hour.asset, instrument_hour.venue, instrument_hour.instrument
            order by instrument_hour.as_of
        ) as next_as_of,
    from instrument_hour
    left join instrument
        on
            instrument_hour.venue = instrument.venue
            and instrument_hour.instrument = instrument.instrument
),

standing as (
    select
        asset,
        venue,
        contract_kind,
        quote,
        last_open_interest_at,
        open_interest_base,
        open_interest_usd,
        sides_counted,
        unnest(
            generate_series(
                as_of,
                least(
                    as_of + interval 23 hours,
                    coalesce(next_as_of - interval 1 hour, 'infinity'::timestamptz)
                ),
                interval 1 hour
            )
        ) as as_of,
    from with_next
),

in_usd as (
    select
        standing.* replace (
            standing.open_interest_usd * coalesce(quote_rate.usd_rate, 1) as open_interest_usd
        ),
    from standing
    left join quote_rate
        on standing.as_of = quote_rate.as_of and standing.quote = quote_rate.quote
),

venue_hour as (
    select
        asset,
        venue,
        as_of,
        list_sum(list_sort(list(open_interest_base))) as open_interest_base,
        list_sum(list_sort(list(open_interest_usd))) as open_interest_usd,
        -- One contract whose sides are not known leaves the sum unknown.
        if(
            count(sides_counted) = count(*),
            list_sum(list_sort(list(open_interest_usd * sides_counted))),
            null
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
    semi join built_hour
        on
            in_usd.asset = built_hour.asset
            and in_usd.venue = built_hour.venue
            and in_usd.as_of = built_hour.as_of
    group by asset, venue, as_of
),

venue_open_interest as (
    select
        venue_hour.asset,
        venue_hour.venue,
        venue_hour.as_of,
        venue_hour.open_interest_base,
        venue_hour.open_interest_usd,
        venue_hour.open_interest_reported_usd,
        venue_hour.sides_counted,
        if(
            set_apart.venue is null,
            venue_hour.open_interest_usd
            / nullif(
                list_sum(
                    list_sort(
                        list(venue_hour.open_interest_usd) filter (
                            where set_apart.venue is null
                        ) over (partition by venue_hour.asset, venue_hour.as_of)
                    )
                ),
                0
            ),
            null
        ) as open_interest_share_ratio,
        set_apart.venue is not null as is_set_apart,
        venue_hour.instrument_count,
        venue_hour.contract_kinds,
        venue_hour.quotes,
        venue_hour.newest_open_interest_age_seconds,
    from venue_hour
    left join set_apart
        on
            venue_hour.asset = set_apart.asset
            and venue_hour.venue = set_apart.venue
            and venue_hour.as_of = set_apart.as_of
)

select * from venue_open_interest
