-- Assets held back from publication, and from which hour a critical check fails for them.
--
-- Grain: asset
-- Materialized: view

select
    asset,
    min(as_of) as held_from_at,
    arg_min(check_name, (as_of, check_name)) as check_name,
    -- A map that fails is held back and its grade says why; a grade that fails goes too.
    bool_or(suite = 'marts') as is_grade_held,
from quality.check_results
where
    severity = 'critical'
    and not success
    and asset is not null
group by asset
