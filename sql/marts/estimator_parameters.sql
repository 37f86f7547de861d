-- Every assumption behind every provider's maps, with unit, value and reason.
--
-- Materialized: table

select * from derived.estimator_parameter
