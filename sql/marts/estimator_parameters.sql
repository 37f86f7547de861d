-- Every assumption behind every provider's maps, with unit, value and reason.
--
-- Materialized: table

with
estimator_parameter as (
    select
        params_hash,
        provider,
        parameter,
        value,
        unit,
        reason,
    from derived.estimator_parameter
)

select * from estimator_parameter
