-- Where liquidations came, not how much: skill of maps by level, within hours and within days.

alter table derived.estimator_skill add column place_cells varchar;
alter table derived.estimator_skill add column place_status varchar;
alter table derived.estimator_skill add column place_reason varchar;
alter table derived.estimator_skill add column place_span_count bigint;
alter table derived.estimator_skill add column place_usd double;
alter table derived.estimator_skill add column misplaced_removed_ratio double;
alter table derived.estimator_skill add column misplaced_removed_low_ratio double;
alter table derived.estimator_skill add column misplaced_removed_high_ratio double;
alter table derived.estimator_skill add column place_test_quantile double;
alter table derived.estimator_skill add column top_quarter_status varchar;
alter table derived.estimator_skill add column top_quarter_reason varchar;
alter table derived.estimator_skill add column top_quarter_span_count bigint;
alter table derived.estimator_skill add column top_quarter_usd double;
alter table derived.estimator_skill add column top_quarter_ratio double;
alter table derived.estimator_skill add column top_quarter_low_ratio double;
alter table derived.estimator_skill add column top_quarter_high_ratio double;
alter table derived.estimator_skill add column top_quarter_gain_ratio double;
alter table derived.estimator_skill add column top_quarter_gain_low_ratio double;
alter table derived.estimator_skill add column top_quarter_gain_high_ratio double;
