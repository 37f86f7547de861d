-- Which guess a map hangs on: how far it changes when one assumption is swapped, at midnight.
--
-- Materialized: table
-- Known limitation: both maps are replayed from the start of the month before, not from the first
-- bar; assumption 'history' says how much that alone changes.

select * exclude (map_run_id, run_id) from derived.assumption_sensitivity
