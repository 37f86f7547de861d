-- What is missing of what is followed, and whether it can still be fetched.
--
-- Materialized: table
-- Known limitation: as of the last time the feeds were looked at (checked_at).

with
-- What stands is told as long as it counts for its slot, also where nothing of the past is.
reachable_feed as (
    select
        venue,
        instrument,
        kind,
        asset,
        period_seconds,
        case
            when reach_seconds is not null then greatest(reach_seconds, tolerance_seconds)
        end as reach_seconds,
        expected_from_at,
        checked_at,
    from meta.feed
    where period_seconds > 0
),

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
    from reachable_feed
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

-- Reach and answers may end within a gap: it is looked at in pieces between their ends.
boundary as (
    select
        venue,
        instrument,
        kind,
        whole_gap_from,
        unnest([gap_from, gap_to, greatest(gap_from, least(gap_to, told_from))]) as boundary_at,
    from with_feed
    union
    select
        with_feed.venue,
        with_feed.instrument,
        with_feed.kind,
        with_feed.whole_gap_from,
        unnest(
            [
                greatest(with_feed.gap_from, gap_answer.asked_from_at),
                least(with_feed.gap_to, gap_answer.asked_to_at)
            ]
        ) as boundary_at,
    from with_feed
    inner join gap_answer
        on
            with_feed.venue = gap_answer.venue
            and with_feed.instrument = gap_answer.instrument
            and with_feed.kind = gap_answer.kind
            and with_feed.gap_from < gap_answer.asked_to_at
            and with_feed.gap_to > gap_answer.asked_from_at
),

piece as (
    select
        venue,
        instrument,
        kind,
        whole_gap_from,
        boundary_at as gap_from,
        lead(boundary_at) over (
            partition by venue, instrument, kind, whole_gap_from order by boundary_at
        ) as gap_to,
    from boundary
    where boundary_at is not null
),

with_answers as (
    select
        piece.venue,
        piece.instrument,
        piece.kind,
        piece.whole_gap_from,
        piece.gap_from,
        piece.gap_to,
        count(gap_answer.answered_at) as answer_count,
        min(gap_answer.answered_at) as first_answer_at,
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
    where piece.gap_to is not null
    group by
        piece.venue,
        piece.instrument,
        piece.kind,
        piece.whole_gap_from,
        piece.gap_from,
        piece.gap_to
),

with_reason as (
    select
        with_answers.venue,
        with_answers.instrument,
        with_answers.kind,
        with_feed.asset,
        with_feed.period_seconds,
        with_feed.reach_seconds,
        with_feed.checked_at,
        with_answers.whole_gap_from,
        with_answers.gap_from,
        with_answers.gap_to,
        with_answers.answer_count,
        with_answers.answered_at,
        with_answers.third_answer_at,
        case
            when with_answers.gap_to <= with_feed.told_from then 'older than what the venue tells'
            when with_answers.third_answer_at is not null then 'the venue answers without it'
            else ''
        end as lost_reason,
    from with_answers
    inner join with_feed
        on
            with_answers.venue = with_feed.venue
            and with_answers.instrument = with_feed.instrument
            and with_answers.kind = with_feed.kind
            and with_answers.whole_gap_from = with_feed.whole_gap_from
    -- What the venue told nothing of before its first row was before the listing; a venue that is
    -- ill for some hours may say the same.
    where
        not (
            with_answers.whole_gap_from <= with_feed.expected_from_at
            and with_answers.third_answer_at is not null
            and with_answers.answered_at >= with_answers.first_answer_at + interval 1 day
        )
),

with_stretch as (
    select
        venue,
        instrument,
        kind,
        asset,
        period_seconds,
        reach_seconds,
        checked_at,
        gap_from,
        gap_to,
        answer_count,
        answered_at,
        third_answer_at,
        lost_reason,
        row_number() over (partition by venue, instrument, kind order by gap_from)
        - row_number() over (
            partition by venue, instrument, kind, whole_gap_from, lost_reason order by gap_from
        ) as stretch,
        whole_gap_from,
    from with_reason
),

data_gap as (
    select
        venue,
        instrument,
        kind,
        any_value(asset) as asset,
        min(gap_from) as gap_from,
        max(gap_to) as gap_to,
        round(
            epoch(max(gap_to) - min(gap_from)) / any_value(period_seconds)
        )::bigint as missing_count,
        lost_reason != '' as is_lost,
        case
            when lost_reason = 'older than what the venue tells'
                then
                    max(gap_to)
                    - to_seconds(any_value(period_seconds))
                    + to_seconds(any_value(reach_seconds))
            when lost_reason != '' then max(third_answer_at)
        end as lost_since,
        nullif(lost_reason, '') as lost_reason,
        max(gap_to)
        - to_seconds(any_value(period_seconds))
        + to_seconds(any_value(reach_seconds)) as told_until_at,
        min(answer_count) as answer_count,
        min(answered_at) as answered_at,
        any_value(checked_at) as checked_at,
    from with_stretch
    group by venue, instrument, kind, whole_gap_from, lost_reason, stretch
)

select * from data_gap
