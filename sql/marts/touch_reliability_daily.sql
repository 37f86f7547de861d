-- Whether odds of touch were right, and whether bands were touched more often than levels with the
-- same odds.
--
-- Materialized: table
-- Known limitation: levels are compared on the other side of price, so a trend moves both.

select * from derived.touch_reliability
