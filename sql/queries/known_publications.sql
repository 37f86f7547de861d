-- Publications that added or changed hours in the file, newest first, and the one that made it.

with
publication as (
    select
        publication_id,
        first_published_at as published_at,
    from marts.published_hours
    where publication_id is not null
    union
    select
        publication_id,
        published_at,
    from marts.published_changes
    union
    select
        publication_id() as publication_id,
        published_at() as published_at,
)

select
    publication_id,
    published_at,
from publication
order by published_at desc
