-- How levels on which many providers agree behaved, against levels that one provider sees.

create table derived.crowding (
    asset varchar not null,
    as_of timestamptz not null,
    zone varchar not null,
    agreement varchar not null,
    from_at timestamptz not null,
    level_count bigint not null,
    touched_count bigint not null,
    block_count bigint not null,
    touch_ratio double,
    expected_touch_ratio double,
    touch_excess_ratio double,
    touch_excess_low_ratio double,
    touch_excess_high_ratio double,
    overshoot_bps double,
    overshoot_low_bps double,
    overshoot_high_bps double,
    reversal_ratio double,
    reversal_low_ratio double,
    reversal_high_ratio double,
    reason varchar,
    run_id varchar not null
);
