-- The feeds wanted, with what the ledger knows of them.
--
-- The ledger keeps the earliest instant wanted of a feed, how far it is complete and how far it was
-- checked; instants wanted only now have not been checked.

select
    wanted.* replace (
        least(wanted.expected_from_at, known.expected_from_at) as expected_from_at,
        known.complete_until_at as complete_until_at,
        known.newest_at as newest_at,
        if(
            known.checked_at is null or wanted.expected_from_at < known.expected_from_at,
            wanted.expected_from_at,
            known.checked_at
        ) as checked_at
    ),
from wanted
left join meta.feed as known using (venue, instrument, kind)
