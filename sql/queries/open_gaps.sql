-- Gaps of followed feeds that can still be fetched.

with
gap as (
    select
        venue,
        instrument,
        kind,
        gap_from,
        gap_to,
        available_until_at,
        answer_count,
        answered_at,
    from marts.data_gaps
    where lost_reason is distinct from 'older than the history the venue serves'
),

followed as (
    select
        venue,
        instrument,
        kind,
    from meta.feed
    where expected_until_at is null
)

select gap.*
from gap
semi join followed using (venue, instrument, kind)
order by venue, instrument, kind, gap_from
