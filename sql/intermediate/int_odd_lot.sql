-- How many of a venue's own open-interest figures are odd multiples of the smallest lot, over the
-- three days that end with the newest figure.
--
-- Grain: venue
-- Materialized: view
-- Known limitation: a lot that nobody lists is the last decimal that figures use; a true lot of two
-- such units would look as if both sides were counted.

with
newest as (
    select max(observed_at) as observed_at,
    from raw.open_interest
    where observed_at <= window_end()
),

-- Straight from raw: the newest row of each instant would be sought in all of history.
open_interest as (
    select open_interest.*
    from raw.open_interest as open_interest
    inner join newest
        on
            open_interest.observed_at > newest.observed_at - interval 3 days
            and open_interest.observed_at <= newest.observed_at
),

-- Contracts, coins, or the USD of inverse contracts, as received. USD of a linear contract has a
-- price in it and no lot.
figure as (
    select
        open_interest.*,
        case
            when open_interest.received_amount is not null
                then open_interest.received_amount
            when instrument.contract_kind = 'inverse' and open_interest.received_value_unit = 'usd'
                then open_interest.received_value
        end as amount,
        instrument.lot_quantity
        / unit_size(
            open_interest.received_amount_unit,
            instrument.contract_size,
            instrument.base_multiplier
        ) as listed_lot,
    from open_interest
    inner join staging.stg_instrument as instrument using (venue, instrument)
),

-- A figure that does not change shows nothing new.
changed as (
    select
        venue,
        instrument,
        amount,
        listed_lot,
        coalesce(len(nullif(split_part(amount::varchar, '.', 2), '0')), 0) as decimal_count,
    from figure
    where amount > 0 and amount < 1e15
    qualify
        amount is distinct from lag(amount) over (
            partition by venue, instrument order by observed_at, ingested_at
        )
),

in_lots as (
    select
        *,
        amount
        / coalesce(
            any_value(listed_lot) over same_instrument,
            power(10.0, -max(decimal_count) over same_instrument)
        ) as lots,
        listed_lot is not null as is_lot_listed,
        count(*) over same_instrument as figure_count,
    from changed
    window same_instrument as (partition by venue, instrument)
),

-- Figures that are all multiples of ten lots show that the lot is ten times as large.
whole as (
    select
        venue,
        instrument,
        is_lot_listed,
        abs(lots - round(lots)) < 0.01 and lots < 1e15 as is_whole,
        round(lots)::hugeint as lots,
        min(
            case
                when abs(lots - round(lots)) < 0.01
                    then
                        len(round(lots)::hugeint::varchar)
                        - len(rtrim(round(lots)::hugeint::varchar, '0'))
            end
        ) over (
            partition by venue, instrument
        ) as zero_count,
    from in_lots
    -- Of a few figures alone, the last decimal is rarely seen.
    where figure_count >= 10 and lots > 0.5
),

counted as (
    select
        venue,
        count(distinct instrument) as instrument_count,
        count(*) filter (where is_whole) as figure_count,
        count(*) filter (where not is_whole) as broken_count,
        count(*) filter (
            where is_whole and (lots // power(10, zero_count)::hugeint) % 2 = 1
        ) as odd_count,
        bool_and(is_lot_listed) as is_lot_listed,
    from whole
    group by venue
),

venue as (
    select
        venue,
        max(figure.sides_counted) as sides_counted,
        count(figure.observed_at) as row_count,
        count(figure.amount) as amount_count,
    from staging.stg_instrument
    left join figure using (venue, instrument)
    group by venue
),

-- Wilson's interval of the share at 99.9 %.
bounded as (
    select
        venue.*,
        coalesce(counted.instrument_count, 0) as instrument_count,
        coalesce(counted.figure_count, 0) as figure_count,
        coalesce(counted.broken_count, 0) as broken_count,
        counted.is_lot_listed,
        counted.odd_count / nullif(counted.figure_count, 0) as odd_share_ratio,
        3.29 * 3.29 / nullif(counted.figure_count, 0) as z_squared_per_figure,
    from venue
    left join counted using (venue)
),

with_interval as (
    select
        *,
        odd_share_ratio + z_squared_per_figure / 2 as centre,
        sqrt(
            z_squared_per_figure * odd_share_ratio * (1 - odd_share_ratio)
            + z_squared_per_figure * z_squared_per_figure / 4
        ) as half_width,
        (centre - half_width) / (1 + z_squared_per_figure) as odd_share_low_ratio,
        (centre + half_width) / (1 + z_squared_per_figure) as odd_share_high_ratio,
    from bounded
),

judged as (
    select
        venue,
        sides_counted,
        instrument_count,
        figure_count,
        odd_share_ratio,
        odd_share_low_ratio,
        odd_share_high_ratio,
        is_lot_listed,
        case
            when row_count = 0 then 'no open interest within three days'
            when amount_count = 0 then 'reported in USD only, which has no lots'
            when figure_count < 40 then 'fewer than 40 figures'
            when broken_count > figure_count / 10 then 'figures are no multiples of the lot'
            when odd_share_low_ratio <= 0.25 and odd_share_high_ratio >= 0.25
                then 'neither about half nor near none'
        end as reason,
        case
            when figure_count < 40 or broken_count > figure_count / 10 then null
            when odd_share_low_ratio > 0.25 then 1
            when odd_share_high_ratio < 0.25 then 2
        end as sides_seen,
    from with_interval
),

odd_lot as (
    select
        *,
        (sides_seen <> sides_counted)::integer as contradiction_count,
    from judged
)

select * from odd_lot
