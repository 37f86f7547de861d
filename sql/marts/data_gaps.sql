-- What is missing of what is followed, and whether it can still be fetched.
--
-- Materialized: table
-- Known limitation: as of the last check of the feeds (checked_at). Of other collectors the newest
-- 1,500 gaps of each are known, as it sees them: another collector may have the rows.

with
-- Where only the present is served, a figure counts for its slot for as long as that tolerates.
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
        *,
        -- What is older can no longer be requested.
        to_timestamp(
            ceil(epoch(checked_at - to_seconds(reach_seconds)) / period_seconds) * period_seconds
        ) as served_from,
    from reachable_feed
),

feed_gap as (
    select * from meta.feed_gap
),

gap_answer as (
    select * from meta.gap_answer
),

-- The ledger is kept window by window: what adjoins is one gap.
with_begin as (
    select
        *,
        coalesce(gap_from > lag(gap_to) over feed_time, true)::integer as is_begin,
    from feed_gap
    window feed_time as (partition by venue, instrument, kind order by gap_from)
),

with_run as (
    select
        *,
        sum(is_begin) over (partition by venue, instrument, kind order by gap_from) as run,
    from with_begin
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
        feed.*,
        whole_gap.gap_from as whole_gap_from,
        whole_gap.gap_to as whole_gap_to,
    from whole_gap
    inner join feed using (venue, instrument, kind)
),

-- Reach and answers may end within a gap, which is split into pieces at their ends.
boundary as (
    select
        venue,
        instrument,
        kind,
        whole_gap_from,
        unnest(
            [
                whole_gap_from,
                whole_gap_to,
                greatest(whole_gap_from, least(whole_gap_to, served_from))
            ]
        ) as boundary_at,
    from with_feed
    union
    select
        venue,
        instrument,
        kind,
        whole_gap_from,
        unnest(
            [
                greatest(whole_gap_from, gap_answer.asked_from_at),
                least(whole_gap_to, gap_answer.asked_to_at)
            ]
        ) as boundary_at,
    from with_feed
    inner join gap_answer using (venue, instrument, kind)
    where whole_gap_from < gap_answer.asked_to_at and whole_gap_to > gap_answer.asked_from_at
),

piece as (
    select
        * exclude (boundary_at),
        boundary_at as gap_from,
        lead(boundary_at) over (
            partition by venue, instrument, kind, whole_gap_from order by boundary_at
        ) as gap_to,
    from boundary
    where boundary_at is not null
    qualify gap_to is not null
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
        with_answers.*,
        with_feed.* exclude (venue, instrument, kind, whole_gap_from),
        case
            when with_answers.gap_to <= with_feed.served_from
                then 'older than the history the venue serves'
            when with_answers.third_answer_at is not null then 'the venue answers without it'
            else ''
        end as lost_reason,
    from with_answers
    inner join with_feed using (venue, instrument, kind, whole_gap_from)
    -- Where a venue has answered without rows before its first one, that was before the listing; a
    -- venue that fails for some hours may answer the same.
    where
        not (
            whole_gap_from <= with_feed.expected_from_at
            and with_answers.third_answer_at is not null
            and with_answers.answered_at >= with_answers.first_answer_at + interval 1 day
        )
),

with_stretch as (
    select
        *,
        row_number() over (partition by venue, instrument, kind order by gap_from)
        - row_number() over (
            partition by venue, instrument, kind, whole_gap_from, lost_reason order by gap_from
        ) as stretch,
        gap_to - to_seconds(period_seconds) + to_seconds(reach_seconds) as available_until_at,
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
            when lost_reason = 'older than the history the venue serves'
                then max(available_until_at)
            when lost_reason != '' then max(third_answer_at)
        end as lost_since,
        nullif(lost_reason, '') as lost_reason,
        max(available_until_at) as available_until_at,
        min(answer_count) as answer_count,
        min(answered_at) as answered_at,
        any_value(checked_at) as checked_at,
    from with_stretch
    group by venue, instrument, kind, whole_gap_from, lost_reason, stretch
),

followed as (
    select
        venue,
        instrument,
        kind,
    from meta.feed
    where expected_until_at is null
),

-- What this home follows itself it knows best; where two collectors miss the same, the one that
-- looked last says how much.
collector_gap as (
    select * exclude (collector)
    from meta.collector_gap
    anti join followed using (venue, instrument, kind)
    anti join data_gap using (venue, instrument, kind, gap_from)
    qualify
        row_number() over (
            partition by venue, instrument, kind, gap_from order by checked_at desc, collector
        ) = 1
)

select * from data_gap
union all by name
select * from collector_gap
