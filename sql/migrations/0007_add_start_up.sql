-- What a map still holds of the start of its series, and what was liquidated at each leverage.

alter table derived.heatmap add column start_up_usd float[];

alter table derived.leverage_exposure add column consumed_base double[];
alter table derived.leverage_exposure add column consumed_usd double[];
alter table derived.leverage_exposure add column swept_base double[];
alter table derived.leverage_exposure add column swept_usd double[];

alter table derived.series_hour add column swept_long_base double;
alter table derived.series_hour add column swept_short_base double;
alter table derived.series_hour add column start_up_long_ratio double;
alter table derived.series_hour add column start_up_short_ratio double;
alter table derived.series_hour add column start_up_in_range_ratio double;

alter table intermediate.int_quality_measures add column start_up_in_range_ratio double;
