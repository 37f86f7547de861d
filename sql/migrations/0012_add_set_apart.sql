-- What a ticker on a venue means where it is not what the venue's name for it says, how many sides
-- of a contract the open interest of an hour counts as its venue reports it, and how far the price
-- of a venue that is set apart is from that of the others.

create table meta.symbol_exception (
    venue varchar not null,
    instrument varchar not null,
    asset varchar
);

alter table intermediate.int_instrument_hour add column sides_counted integer;
alter table intermediate.int_quality_measures add column set_apart_price_ratio double;

-- The hours stored before have neither: they are built again.
insert into meta.pending_build
select distinct
    asset,
    '-infinity'::timestamptz
from meta.built_asset;
