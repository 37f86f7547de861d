-- What the newest capture of outside providers without stated assumptions is of.

select
    provider,
    any_value(source_provider) as source_provider,
    any_value(model) as model,
    any_value("window") as "window",
    arg_max(unit, as_of) as unit,
    arg_max(semantics, as_of) as semantics,
from intermediate.int_outside_cell
where provider not in (select params_hash from derived.estimator_parameter)
group by provider
order by provider
