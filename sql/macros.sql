-- Expressions that several models share, created with the views.
--
-- They are stored in the writer's database and in the published file, so that a model runs in a
-- DuckDB shell on either. A macro is one expression; what reads a relation is a model.

-- Models are restricted to window_start < as_of <= window_end and to some assets by variables; one
-- that is not set does not restrict.
create or replace macro window_start() as (
    coalesce(getvariable('window_start')::timestamptz, '-infinity'::timestamptz)
);

create or replace macro window_end() as (
    coalesce(getvariable('window_end')::timestamptz, 'infinity'::timestamptz)
);

-- A model that looks back reads some hours before the window.
create or replace macro in_window(as_of, look_back := interval 0 hours) as (
    as_of > window_start() - look_back and as_of <= window_end()
);

create or replace macro in_window_assets(asset) as (
    coalesce(list_contains(getvariable('window_assets')::varchar[], asset), true)
);

-- The end of the hour in which an instant lies; a full hour ends itself.
create or replace macro hour_end(instant) as (
    date_trunc('hour', instant - interval 1 microsecond) + interval 1 hour
);

-- The end of the hour that begins at an instant or has begun: that of an order on the full hour.
create or replace macro end_of_hour_begun(instant) as (
    date_trunc('hour', instant) + interval 1 hour
);

-- The hours for which a figure holds: its own and those up to the next figure, at most hour_count.
create or replace macro hours_held(as_of, next_as_of, hour_count) as (
    generate_series(
        as_of,
        least(
            as_of + to_hours(hour_count - 1),
            coalesce(next_as_of, 'infinity'::timestamptz) - interval 1 hour,
            window_end()
        ),
        interval 1 hour
    )
);

-- Sums of doubles depend on the order of their terms, and the order of rows on how threads share
-- them out: terms are sorted, or added as decimals, whose sums are exact.
create or replace macro sorted_sum(term) as (list_sum(list_sort(list(term))));

-- Not least(): it passes over NULL, so that what is missing would become 1e25.
create or replace macro exact(figure) as (
    if(figure > 1e25, 1e25, figure)::decimal(38, 10)
);

-- The price grid: node i is at exp(0.001 i), and bin j holds nodes 2 j and 2 j + 1.
create or replace macro grid_step() as (0.001);

-- In doubles, and divided by 1000, which is exact where a product with 0.001 is not: the decimals
-- of the other macros are exact too and take three times as long, twice for every row of a map.
create or replace macro bin_edge(bin_index) as (exp((2 * bin_index - 0.5::double) / 1000));

create or replace macro bin_of(price) as (
    floor((ln(if(price > 0, price, null)) / grid_step() + 0.5) / 2)::bigint
);

create or replace macro log_bin_centre(bin_index) as ((2 * bin_index + 0.5) * grid_step());

-- The sum over some bins of an array by bin, both ends included; places count from its first bin.
create or replace macro sum_of_bins(by_bin, first_place, last_place) as (
    list_sum(by_bin[first_place + 1:last_place + 1])::double
);

-- Prices further apart than by this factor contradict each other, as the gate set_apart has it.
create or replace macro contradicting_price_ratio() as (1.5);

-- Whether a market can have made a bar; NULL where a price is missing. The high bounds the others.
create or replace macro is_possible_bar(open, high, low, close) as (
    low > 0 and low <= least(open, close) and high >= greatest(open, close) and isfinite(high)
);

-- The same of a mark price, whose extremes may be missing.
create or replace macro is_possible_mark(mark_high, mark_low, mark_close) as (
    mark_close > 0
    and isfinite(mark_close)
    and coalesce(mark_low > 0 and mark_low <= mark_high and isfinite(mark_high), true)
);

-- What one unit of a received amount holds: units of quantity for contracts, of price for coins.
create or replace macro unit_size(amount_unit, contract_size, base_multiplier) as (
    case amount_unit when 'contracts' then contract_size when 'base' then base_multiplier else 1 end
);

-- Whether a measure fails a gate's level; a gate without the level never fails at it, and one that
-- needs a measure fails where there is none.
create or replace macro is_beyond(measured, level, direction, is_required) as (
    level is not null
    and coalesce(
        if(direction = 'at_least', measured < level, measured > level), is_required
    )
);

-- Providers of measured positions have one name, whatever their models and windows.
create or replace macro is_measured(provider) as (
    provider in ('simulated_truth', 'hyperliquid_positions')
);

-- A map of measured positions is fresh where at least half of what was observed was seen within the
-- hour; positions that are large or near their liquidation are due every half hour.
create or replace macro is_fresh(within_hour_ratio) as (
    coalesce(within_hour_ratio >= 0.5, false)
);

-- Gates failed, in their order.
create or replace macro reason_list(gate, place, measured, level, severity) as (
    list(
        { 'name': gate, 'measured': measured, 'gate': level, 'severity': severity }
        order by place, gate
    )
);

-- Gates failed, in words: "bar_coverage 0.8 against 0.95 (hard)".
create or replace macro reasons_text(reasons) as (
    array_to_string(
        list_transform(
            reasons,
            lambda reason: reason.name
            || coalesce(' ' || format('{:.4g}', reason.measured), ' not measured')
            || coalesce(' against ' || format('{:.4g}', reason.gate), '')
            || ' (' || reason.severity || ')'
        ),
        ', '
    )
);
