-- What each publication changed in hours that readers had already seen, by how much and why.
--
-- Materialized: table
-- Known limitation: a publication that finds no readable version before it cannot compare, and
-- records no changes; rows filled in as time passes are no changes.

select *
from meta.published_change
where in_window(as_of) and in_window_assets(asset)
