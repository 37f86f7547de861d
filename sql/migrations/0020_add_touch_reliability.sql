-- Whether odds of touch were right, and whether bands were touched more often than levels that were
-- as likely.

create table derived.touch_reliability (
    asset varchar not null,
    as_of timestamptz not null,
    provider varchar not null,
    odds_group varchar not null,
    level_count bigint not null,
    odds_ratio double,
    touched_ratio double,
    log_loss_nats double,
    excess_points double,
    excess_low_points double,
    excess_high_points double,
    mirror_count bigint,
    reason varchar,
    run_id varchar not null
);
