-- What is missing of what is followed, and whether it can still be fetched.
--
-- Grain: venue, instrument, kind, gap_from
-- Materialized: table
-- Known limitation: as of the last time the feeds were looked at (checked_at).

with
feed as (
    select
        venue,
        instrument,
        kind,
        asset,
        period_seconds,
        reach_seconds,
        expected_from_at,
        checked_at,
        -- What is older can no longer be asked for.
        to_timestamp(
            ceil(epoch(checked_at - to_seconds(reach_seconds)) / period_seconds) * period_seconds
        ) as told_from,
    from meta.feed
),

feed_gap as (
    select
        venue,
        instrument,
        kind,
        gap_from,
        gap_to,
    from meta.feed_gap
),

gap_answer as (
    select
        venue,
        instrument,
        kind,
        asked_from_at,
        asked_to_at,
        answered_at,
    from meta.gap_answer
),

-- The ledger is kept window by window: what adjoins is one gap.
with_run as (
    select
        venue,
        instrument,
        kind,
        gap_from,
        gap_to,
        sum(is_begin) over (partition by venue, instrument, kind order by gap_from) as run,
    from (
        select
            venue,
            instrument,
            kind,
            gap_from,
            gap_to,
            coalesce(
                gap_from
                > lag(gap_to) over (partition by venue, instrument, kind order by gap_from),
                true
            )::integer as is_begin,
        from feed_gap
    ) as marked
),

whole_gap as (
    select
        venue,
        instrument,
        kind,
        min(gap_from) as gap_from,
        max(gap_to) as gap_to,
    from with_run
    group by venue, instrument, kind, run
),

with_feed as (
    select
        feed.venue,
        feed.instrument,
        feed.kind,
        feed.asset,
        feed.period_seconds,
        feed.reach_seconds,
        feed.expected_from_at,
        feed.checked_at,
        feed.told_from,
        whole_gap.gap_from as whole_gap_from,
        whole_gap.gap_from,
        whole_gap.gap_to,
    from whole_gap
    inner join feed
        on
            whole_gap.venue = feed.venue
            and whole_gap.instrument = feed.instrument
            and whole_gap.kind = feed.kind
),

-- A gap that the venue still tells the end of is two: one lost, one not.
piece as (
    select
        venue,
        instrument,
        kind,
        asset,
        period_seconds,
        reach_seconds,
        expected_from_at,
        checked_at,
        whole_gap_from,
        gap_from,
        least(gap_to, told_from) as gap_to,
        true as is_out_of_reach,
    from with_feed
    where told_from > gap_from
    union all
    select
        venue,
        instrument,
        kind,
        asset,
        period_seconds,
        reach_seconds,
        expected_from_at,
        checked_at,
        whole_gap_from,
        greatest(gap_from, coalesce(told_from, gap_from)) as gap_from,
        gap_to,
        false as is_out_of_reach,
    from with_feed
    where gap_to > coalesce(told_from, gap_from)
),

with_answers as (
    select
        piece.venue,
        piece.instrument,
        piece.kind,
        piece.asset,
        piece.gap_from,
        piece.gap_to,
        any_value(piece.period_seconds) as period_seconds,
        any_value(piece.reach_seconds) as reach_seconds,
        any_value(piece.expected_from_at) as expected_from_at,
        any_value(piece.checked_at) as checked_at,
        any_value(piece.whole_gap_from) as whole_gap_from,
        any_value(piece.is_out_of_reach) as is_out_of_reach,
        count(gap_answer.answered_at) as answer_count,
        max(gap_answer.answered_at) as answered_at,
        min(gap_answer.answered_at, 3)[3] as third_answer_at,
    from piece
    left join gap_answer
        on
            piece.venue = gap_answer.venue
            and piece.instrument = gap_answer.instrument
            and piece.kind = gap_answer.kind
            and piece.gap_from >= gap_answer.asked_from_at
            and piece.gap_to <= gap_answer.asked_to_at
    group by
        piece.venue,
        piece.instrument,
        piece.kind,
        piece.asset,
        piece.gap_from,
        piece.gap_to
),

data_gap as (
    select
        venue,
        instrument,
        kind,
        asset,
        gap_from,
        gap_to,
        round(epoch(gap_to - gap_from) / period_seconds)::bigint as missing_count,
        is_out_of_reach or third_answer_at is not null as is_lost,
        if(
            is_out_of_reach,
            gap_to - to_seconds(period_seconds) + to_seconds(reach_seconds),
            third_answer_at
        ) as lost_since,
        case
            when is_out_of_reach then 'older than what the venue tells'
            when third_answer_at is not null then 'the venue answers without it'
        end as lost_reason,
        gap_to - to_seconds(period_seconds) + to_seconds(reach_seconds) as told_until_at,
        answer_count,
        answered_at,
        checked_at,
    from with_answers
    -- What the venue told nothing of before its first row was before the listing.
    where not (whole_gap_from <= expected_from_at and third_answer_at is not null)
)

select * from data_gap
