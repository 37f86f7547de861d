-- What is missing of an asset's feeds, by venue and kind, what can still be fetched first.

select
    venue,
    kind,
    is_lost,
    count(*) as gap_count,
    sum(missing_count)::bigint as missing_count,
    min(gap_from) as first_at,
    max(gap_to) as last_at,
    min(available_until_at) as available_until_at,
    arg_max(lost_reason, gap_from) as lost_reason,
from marts.data_gaps
where asset = $asset
group by venue, kind, is_lost
order by is_lost, missing_count desc, venue, kind
limit 12
