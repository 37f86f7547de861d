-- One name for each venue, one side of Hyperliquid's open interest, and what shows how many sides
-- a venue counts: the sides of each figure, the smallest lot of each contract.

-- Names as rows and landing files of earlier releases may have them; several joined by + are the
-- venues of one sum. What comes in since is named by sources/venue_names.py.
create macro meta.venue_name(spelled) as list_aggregate(
    list_sort(list_distinct(list_transform(
        string_split(lower(spelled), '+'),
        lambda part: coalesce(
            map {
                'binanceusdm': 'binance',
                'gate.io': 'gate',
                'gateio': 'gate',
                'huobi': 'htx',
                'kucoinfutures': 'kucoin',
                'okex': 'okx'
            }[trim(part)],
            trim(part)
        )
    ))),
    'string_agg', '+'
);

-- Whether a figure of Hyperliquid was taken as of one side, as earlier releases did: then the
-- quantity is the amount times a power of ten (1000 for kPEPE). A mapping could already halve it.
create macro meta.is_counted_twice(venue, quantity, amount) as
    venue = 'hyperliquid'
    and coalesce(
        abs(log10(quantity / amount) - round(log10(quantity / amount))) < 0.01,
        true
    );

-- Every map with a renamed venue or with Hyperliquid in it is made again.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz
from raw.instrument
where
    venue != meta.venue_name(venue)
    or (venue, instrument) in (
        select
            venue,
            instrument
        from raw.open_interest
        where venue = 'hyperliquid'
    );

insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz
from raw.provider_map
where venue_scope != meta.venue_name(venue_scope);

create table raw.instrument_next (
    venue varchar not null,
    instrument varchar not null,
    asset varchar not null,
    quote varchar not null,
    contract_kind varchar not null,
    contract_size double not null,
    base_multiplier double not null,
    tick_size double,
    lot_quantity double,
    is_active boolean not null,
    observed_at timestamptz not null,
    source varchar not null,
    ingested_at timestamptz not null
);
insert into raw.instrument_next by name
select * replace (meta.venue_name(venue) as venue) from raw.instrument;
drop table raw.instrument;
alter table raw.instrument_next rename to instrument;

create table raw.open_interest_next (
    venue varchar not null,
    instrument varchar not null,
    observed_at timestamptz not null,
    open_interest_quantity double not null,
    received_amount double,
    received_amount_unit varchar,
    received_value double,
    received_value_unit varchar,
    sides_counted integer,
    source varchar not null,
    ingested_at timestamptz not null
);
insert into raw.open_interest_next by name
select
    *
    replace (
        meta.venue_name(venue) as venue,
        if(
            meta.is_counted_twice(venue, open_interest_quantity, received_amount),
            open_interest_quantity / 2,
            open_interest_quantity
        ) as open_interest_quantity
    ),
    if(meta.venue_name(venue) in ('bybit', 'gate', 'htx', 'hyperliquid'), 2, 1) as sides_counted,
from raw.open_interest;
drop table raw.open_interest;
alter table raw.open_interest_next rename to open_interest;

update raw.ohlcv set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.mark_ohlc set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.funding_rate set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.realised_liquidation set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.long_short_ratio set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.leverage_bracket set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update raw.provider_map set venue_scope = meta.venue_name(venue_scope)
where venue_scope != meta.venue_name(venue_scope);
update meta.feed set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update meta.feed_gap set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update meta.gap_answer set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update quality.quarantine set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update quality.check_results set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);

-- What is made of them keeps the old name in no row, whether or not its hour is built again.
update intermediate.int_instrument_hour set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update intermediate.int_row_audit set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update intermediate.int_quality_measures set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.heatmap set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.leverage_exposure set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.series_hour set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.model_checkpoint set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.outside_map set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.band set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.asset_disagreement set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.consensus set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.cascade_scenario set venue = meta.venue_name(venue)
where venue != meta.venue_name(venue);
update derived.map_disagreement set
    venue_a = meta.venue_name(venue_a),
    venue_b = meta.venue_name(venue_b)
where venue_a != meta.venue_name(venue_a) or venue_b != meta.venue_name(venue_b);
