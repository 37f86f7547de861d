-- Feeds, newest rows, gaps and rows set aside of each venue.
--
-- missing and lost are null where a venue's gaps are all of the other sort.
--
-- since: rows set aside before it do not count

with
feeds as (
    select
        venue,
        count(*) as feeds,
        max(newest_at) filter (where kind = 'ohlcv') as newest_bar_at,
        max(newest_at) filter (where kind = 'open_interest') as newest_open_interest_at,
    from marts.data_feeds
    where expected_until_at is null
    group by venue
),

gaps as (
    select
        venue,
        sum(missing_count) filter (where not is_lost)::bigint as missing,
        sum(missing_count) filter (where is_lost)::bigint as lost,
    from marts.data_gaps
    -- Not those of other collectors, whose rounds ask for them.
    semi join marts.data_feeds using (venue, instrument, kind)
    group by venue
),

aside as (
    select
        venue,
        count(*) as quarantined,
    from quality.quarantine
    where ingested_at >= $since and venue is not null
    group by venue
)

select
    venue,
    coalesce(feeds, 0) as feeds,
    newest_bar_at,
    newest_open_interest_at,
    if(gaps.venue is null, 0, missing) as missing,
    if(gaps.venue is null, 0, lost) as lost,
    coalesce(quarantined, 0) as quarantined,
from feeds
full join gaps using (venue)
full join aside using (venue)
