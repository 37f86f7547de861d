-- When each hour of an asset was first published, and whether it has changed since.
--
-- Materialized: table
-- Known limitation: hours published before publications were recorded have no instant; an hour
-- whose rows of one provider came later than those of another has the instant of the first.

with
published_hour as (
    select
        asset,
        as_of,
        first_published_at,
        publication_id,
    from meta.published_hour
    where in_window(as_of) and in_window_assets(asset)
),

published_change as (
    select
        asset,
        as_of,
        publication_id,
        published_at,
        provider,
        reason,
        evidence,
        relations,
        not_kept,
    from meta.published_change
    where in_window(as_of) and in_window_assets(asset)
),

of_hour as (
    select
        asset,
        as_of,
        count(distinct publication_id) as change_count,
        max(published_at) as last_changed_at,
        arg_max(reason, (published_at, provider)) as last_reason,
        arg_max(evidence, (published_at, provider)) as last_evidence,
        bool_and(not_kept is null) as is_kept,
    from published_change
    group by asset, as_of
),

changed_relation as (
    select
        asset,
        as_of,
        array_to_string(
            list_sort(list(distinct relation)), ', '
        ) as changed_relations,
    from (
        select
            asset,
            as_of,
            unnest(string_split(relations, ', ')) as relation,
        from published_change
    ) as by_relation
    group by asset, as_of
),

hour as (
    select
        published_hour.*,
        coalesce(of_hour.change_count, 0) as change_count,
        of_hour.last_changed_at,
        of_hour.last_reason,
        of_hour.last_evidence,
        changed_relation.changed_relations,
        coalesce(of_hour.is_kept, true) as is_kept,
    from published_hour
    left join of_hour using (asset, as_of)
    left join changed_relation using (asset, as_of)
)

select * from hour
