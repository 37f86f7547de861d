-- Whether odds of touch were right, and whether bands were touched more often than levels with the
-- same odds.
--
-- Materialized: table
-- Known limitation: levels are compared on the other side of price, so a trend moves both.

with
touch_reliability as (
    select
        asset,
        as_of,
        provider,
        odds_group,
        level_count,
        odds_ratio,
        touched_ratio,
        log_loss_nats,
        excess_points,
        excess_low_points,
        excess_high_points,
        mirror_count,
        reason,
        run_id,
    from derived.touch_reliability
)

select * from touch_reliability
