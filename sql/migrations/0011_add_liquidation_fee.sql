-- Liquidation fees, no deduction where the venue publishes none, and the brackets of each hour.

create table raw.leverage_bracket_next (
    venue varchar not null,
    instrument varchar not null,
    valid_from_at timestamptz not null,
    bracket integer not null,
    notional_floor_usd double not null,
    notional_cap_usd double,
    maintenance_margin_ratio double not null,
    maintenance_deduction_usd double not null,
    max_leverage double not null,
    liquidation_fee_ratio double not null,
    source varchar not null,
    ingested_at timestamptz not null
);

-- The ratios of these venues hold for the whole position: their deductions were computed here and
-- published by nobody. The fees are those of regular users, until the next answer brings a
-- contract's own. A simulated market has the margins it says, and no fee.
insert into raw.leverage_bracket_next
with
rule as (
    select *
    from (
        values
        ('okx', false, 0.0005),
        ('gate', true, 0.00075),
        ('bitget', false, 0.0006),
        ('kucoin', false, 0.0006),
        ('kucoinfutures', false, 0.0006),
        ('mexc', false, 0.0004)
    ) as listed (venue, has_deduction, liquidation_fee_ratio)
),

joined as (
    select
        leverage_bracket.*,
        leverage_bracket.source <> 'simulated' and rule.venue is not null as is_ruled,
        rule.has_deduction,
        rule.liquidation_fee_ratio,
    from raw.leverage_bracket as leverage_bracket
    left join rule on leverage_bracket.venue = rule.venue
)

select
    venue,
    instrument,
    valid_from_at,
    bracket,
    notional_floor_usd,
    notional_cap_usd,
    maintenance_margin_ratio,
    if(is_ruled and not has_deduction, 0.0, maintenance_deduction_usd),
    max_leverage,
    if(is_ruled, liquidation_fee_ratio, 0.0),
    source,
    ingested_at,
from joined;

drop table raw.leverage_bracket;
alter table raw.leverage_bracket_next rename to leverage_bracket;

alter table derived.series_hour add column brackets_source varchar;
alter table derived.series_hour add column brackets_valid_from_at timestamptz;
alter table derived.series_hour add column default_ladder varchar;
alter table derived.series_hour add column liquidation_fee_ratio double;
alter table derived.series_hour add column has_maintenance_deduction boolean;
alter table derived.series_hour add column reference_bracket integer;
alter table derived.series_hour add column reference_floor_usd double;
alter table derived.series_hour add column reference_cap_usd double;
alter table derived.series_hour add column reference_max_leverage double;
alter table derived.series_hour add column reference_maintenance_margin_ratio double;

-- Liquidation prices change wherever brackets or the default ladder do.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz as from_at,
from meta.built_asset;
