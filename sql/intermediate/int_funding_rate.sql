-- Funding payments with the interval each covers, and their rate over 8 hours.
--
-- Grain: venue, instrument, funded_at
-- Materialized: view
-- Known limitation: where every second payment is missing, the interval reads as twice its length.

with
-- An interval ends at its payment. Venues settle every 1, 2, 4 or 8 hours; any other distance
-- between payments is a hole, or a timestamp that is no payment's. Some timestamp a payment seconds
-- late.
with_spacing as (
    select
        venue,
        instrument,
        funded_at,
        funding_rate_ratio,
        funding_interval_hours as received_interval_hours,
        if(received_interval_hours in (1, 2, 4, 8), received_interval_hours, null)
            as plausible_received_hours,
        date_diff('second', lag(funded_at) over instrument_time, funded_at) as spacing_seconds,
        round(spacing_seconds / 3600) as rounded_hours,
        case
            when
                rounded_hours in (1, 2, 4, 8)
                and abs(spacing_seconds - rounded_hours * 3600) <= 60
                then rounded_hours
        end as spacing_hours,
    from staging.stg_funding_rate
    -- Payments around the window, from which the intervals of those within it follow.
    where funded_at > window_start() - interval 5 days
    window instrument_time as (partition by venue, instrument order by funded_at)
),

with_neighbours as (
    select
        *,
        lag(spacing_hours) over instrument_time as spacing_before_hours,
        lead(spacing_hours) over instrument_time as spacing_after_hours,
        lead(spacing_hours, 2) over instrument_time as second_spacing_after_hours,
    from with_spacing
    window instrument_time as (partition by venue, instrument order by funded_at)
),

with_evidence as (
    select
        *,
        -- Payments can be missing but never too many, so an interval received with the payment
        -- holds unless payments are closer together.
        plausible_received_hours
        <= coalesce(rounded_hours, plausible_received_hours) as is_received,
        coalesce(spacing_hours in (spacing_before_hours, spacing_after_hours), false)
            as is_repeated,
        -- Payments are missing before this one; those on both sides of the hole agree.
        coalesce(
            spacing_before_hours = spacing_after_hours
            and spacing_seconds > spacing_after_hours * 3600 + 60,
            false
        ) as is_after_hole,
        coalesce(
            spacing_seconds is null and spacing_after_hours = second_spacing_after_hours, false
        ) as is_first_of_regular,
    from with_neighbours
),

with_interval as (
    select
        venue,
        instrument,
        funded_at,
        funding_rate_ratio,
        received_interval_hours,
        case
            when is_received then plausible_received_hours
            -- Nothing settles more often than hourly, so an hour is never a hole.
            when is_repeated or spacing_hours = 1 then spacing_hours
            when is_after_hole or is_first_of_regular then spacing_after_hours
        end as funding_interval_hours,
        case
            when funding_interval_hours is not null then null
            when received_interval_hours is not null and plausible_received_hours is null
                then
                    'received interval of '
                    || received_interval_hours::decimal(18, 2)
                    || ' h, which is none of 1, 2, 4 and 8, and payments do not settle it'
            when spacing_seconds is null then 'no payment before it and too few after it'
            when spacing_hours is null
                then
                    'payment before it is '
                    || (spacing_seconds / 3600)::decimal(18, 2)
                    || ' h away, which is no interval'
            else
                'no neighbouring payment confirms an interval of '
                || spacing_hours::integer
                || ' h'
        end as unknown_interval_reason,
        funding_rate_ratio * 8 / funding_interval_hours as funding_rate_8h_ratio,
    from with_evidence
)

select * from with_interval
