-- Runs of instants at which a followed feed should have a row and has none.
--
-- Grain: venue, instrument, kind, gap_from
-- Materialized: view
-- Known limitation: feeds without a regular period (funding, single liquidations) have no gaps
-- here; they are fetched again from the last answered request on.

with
feed as (
    select
        venue,
        instrument,
        kind,
        period_seconds,
        rows_per_slot,
        tolerance_seconds,
        -- Slots are counted in whole periods since 1970.
        ceil(
            epoch(greatest(expected_from_at, window_start())) / nullif(period_seconds, 0)
        )::bigint as first_slot,
        floor(
            least(
                epoch(coalesce(getvariable('window_end')::timestamptz, checked_at)) - lag_seconds,
                epoch(coalesce(expected_until_at, checked_at + interval 1 day))
            )
            / nullif(period_seconds, 0)
        )::bigint as last_slot,
    from meta.feed
    where period_seconds > 0
),

observed as (
    select distinct
        venue,
        instrument,
        'ohlcv' as kind,
        bar_seconds as period_seconds,
        bar_start_at as observed_at,
        '' as part,
    from raw.ohlcv
    where bar_start_at between window_start() and window_end()
    union all
    select distinct
        venue,
        instrument,
        'mark_ohlc' as kind,
        bar_seconds as period_seconds,
        bar_start_at as observed_at,
        '' as part,
    from raw.mark_ohlc
    where bar_start_at between window_start() and window_end()
    union all
    select distinct
        venue,
        instrument,
        'open_interest' as kind,
        null::integer as period_seconds,
        observed_at,
        '' as part,
    from raw.open_interest
    -- The answer to a snapshot arrives some seconds after its slot.
    where observed_at between window_start() and window_end() + interval 1 hour
    union all
    select distinct
        venue,
        instrument,
        'long_short_ratio' as kind,
        null::integer as period_seconds,
        observed_at,
        measure as part,
    from raw.long_short_ratio
    where observed_at between window_start() and window_end()
    union all
    select distinct
        venue,
        instrument,
        'realised_liquidation' as kind,
        period_seconds,
        period_start_at as observed_at,
        side as part,
    from raw.realised_liquidation
    where period_seconds > 0 and period_start_at between window_start() and window_end()
),

observed_slot as (
    select
        feed.*,
        floor(epoch(observed.observed_at) / feed.period_seconds)::bigint as slot,
        observed.part,
    from observed
    inner join feed
        on
            observed.venue = feed.venue
            and observed.instrument = feed.instrument
            and observed.kind = feed.kind
            and coalesce(observed.period_seconds, feed.period_seconds) = feed.period_seconds
    where
        epoch(observed.observed_at) - slot * feed.period_seconds <= feed.tolerance_seconds
        and slot between feed.first_slot and feed.last_slot
),

whole_slot as (
    select
        venue,
        instrument,
        kind,
        period_seconds,
        slot,
    from observed_slot
    group by venue, instrument, kind, period_seconds, slot
    having count(distinct part) >= any_value(rows_per_slot)
),

-- The slots before the first and after the last close the runs at both ends.
bounded as (
    select * from whole_slot
    union all
    select
        venue,
        instrument,
        kind,
        period_seconds,
        unnest([first_slot - 1, last_slot + 1]) as slot,
    from feed
    where first_slot <= last_slot
),

feed_gap as (
    select
        venue,
        instrument,
        kind,
        to_timestamp((slot + 1) * period_seconds) as gap_from,
        to_timestamp(
            lead(slot) over (partition by venue, instrument, kind order by slot) * period_seconds
        ) as gap_to,
    from bounded
    qualify gap_to > gap_from
)

select * from feed_gap
