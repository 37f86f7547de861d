-- How sure fitted maps are: quantiles by bin, and the draws of the parameters behind them.

alter table derived.heatmap add column liquidation_q10_usd float[];
alter table derived.heatmap add column liquidation_q50_usd float[];
alter table derived.heatmap add column liquidation_q90_usd float[];

alter table derived.calibration add column draws float[];
