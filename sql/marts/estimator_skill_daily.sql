-- Skill of each model, out of sample, against null models that are hard to beat.
--
-- Materialized: table
-- Known limitation: the models are fitted once before each window; hours whose figure is a lower
-- bound say how well a model follows what is published, not what happened. An order carries its own
-- price, which is moved into the range of the bar in which it came: with bars of an hour much of it
-- ends at the extremes of the hour.

-- Lists in words, for tools that know no lists.
select
    * exclude (run_id),
    run_id,
    array_to_string(realised_venues, ', ') as realised_venues_text,
    array_to_string(realised_feeds, ', ') as realised_feeds_text,
from derived.estimator_skill
