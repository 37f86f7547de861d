-- Hours that publications changed after readers had seen them, each asset, hour and provider once.
-- Changes of USD within 5 % add up over publications; of the USD that moved the largest is taken.

select
    asset,
    as_of,
    provider,
    count(*) as change_count,
    max(published_at) as last_published_at,
    arg_max(reason, published_at) as reason,
    array_to_string(list_sort(list(distinct coalesce(nullif(evidence, ''), reason))), '; ') as why,
    sum(replaced_row_count)::bigint as replaced_row_count,
    sum(removed_row_count)::bigint as removed_row_count,
    sum(added_row_count)::bigint as added_row_count,
    bool_and(not_kept is null) as is_kept,
    arg_min(map_before_usd, published_at) as map_before_usd,
    arg_max(map_after_usd, published_at) as map_after_usd,
    max(moved_usd / nullif(map_before_usd, 0)) as moved_ratio,
    sum(near_long_change_usd) as near_long_change_usd,
    sum(near_short_change_usd) as near_short_change_usd,
    arg_min(grade_before, published_at) as grade_before,
    arg_max(grade_after, published_at) as grade_after,
from marts.published_changes
where
    ($asset is null or asset = $asset)
    and ($provider is null or provider = $provider)
    and as_of >= coalesce($from_at::timestamp, '-infinity'::timestamp)
    and as_of <= coalesce($until_at::timestamp, 'infinity'::timestamp)
    and published_at >= coalesce($since_at::timestamp, '-infinity'::timestamp)
    and ($publication_id is null or publication_id = $publication_id)
group by asset, as_of, provider
order by asset, provider, as_of
