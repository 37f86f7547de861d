-- Gaps of followed feeds that can still be fetched.

with
followed as (
    select *
    from meta.feed
    where expected_until_at is null
)

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
semi join followed using (venue, instrument, kind)
where lost_reason is distinct from 'older than the history the venue serves'
order by venue, instrument, kind, gap_from
