"""Print the figures of ``docs/what_providers_say.md``: outside providers and our estimators.

Run from the project root on a home made by the commands at the top of that page::

    python -m bench.provider_evidence --home FOLDER

Shares are in per cent. Distances are in log price from the map's price; shares of mass are of what
lies within 20 %.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from jobs.read.query import open_reader
from jobs.settings import Settings
from warehouse.read import Reader

# Mass of each map by its distance from the map's price.
MASS = """
with mass as (
    select asset, as_of, venue, provider, side, liquidation_usd,
        abs(ln(price_low * price_high) / 2 - ln(price)) as distance
    from marts.liquidation_heatmap_hourly
    where abs(ln(price_low * price_high) / 2 - ln(price)) <= .2
),
near as (
    select asset, as_of, venue, provider, side, {columns}
    from mass group by all
)
"""

# Both orders of each pair that one of two outside providers is in.
PAIRS = """
with pair as (
    select *, scale_log_ratio as ln_ratio, covered_a_ratio as covered_ratio
    from marts.provider_disagreement_hourly
    union all by name
    select * replace (provider_b as provider_a, provider_a as provider_b),
        -scale_log_ratio as ln_ratio, covered_b_ratio as covered_ratio
    from marts.provider_disagreement_hourly
)
"""

COINANK = "asset = 'BTC' and venue = 'binance' and as_of = '2026-03-03 15:00:00+00'"
MEASURED = "venue = 'hyperliquid' and provider_a = 'hyperliquid_positions'"


def mass_within(*percents: int) -> str:
    """Return the start of a query on the share of mass within so many per cent of price."""
    return MASS.format(
        columns=", ".join(
            f"coalesce(sum(liquidation_usd) filter (distance <= {p / 100}), 0) "
            f'/ sum(liquidation_usd) as "{p} %"'
            for p in percents
        )
    )


TABLES = {
    "CoinAnk, its price and reach": f"""
        select provider, captured_at, reference_price, covered_price_low, covered_price_high
        from marts.outside_maps_hourly
        where provider like 'coinank%' and {COINANK} order by all""",
    "CoinAnk against the estimators, both sides": PAIRS
    + f"""
        select provider_b as provider, overlap_ratio as "overlap %", reach_ratio as "reach %",
            placement_ratio as "placement %", common_overlap_ratio as "common %",
            covered_ratio as "covered %", band_match_ratio as "bands %",
            scale_log_ratio, semantics_a, unit_a
        from pair where provider_a = 'coinank_getliqmap' and side = 'both' and {COINANK}
        order by overlap_ratio""",
    "Estimators among themselves": f"""
        select provider_a, provider_b, overlap_ratio as "overlap %"
        from marts.provider_disagreement_hourly
        where not concat(provider_a, provider_b) like '%coinank%' and side = 'both' and {COINANK}
        order by overlap_ratio""",
    "CoinAnk and estimators, mass within": mass_within(1, 2, 5, 10, 20)
    + f"""
        select provider, side, columns('%') from near
        where provider in ('coinank_getliqmap', 'turnover', 'volume_profile') and {COINANK}
        order by side, provider""",
    "CoinAnk against itself: USD within 20 %": mass_within()
    + f"""
        select provider, sum(liquidation_usd) as total from mass
        where provider like 'coinank%' and {COINANK} group by all order by all""",
    "CoinAnk's first bands, by what could be forced within a day": f"""
        select side, rank, size_rank, zone, price_low, price_high, agreeing_provider_count,
            provider_count, touch_probability_24h_ratio as "odds %"
        from marts.liquidation_bands_hourly
        where provider = 'coinank_getliqmap' and rank <= 6 and {COINANK}
        order by all""",
    "Measured positions: share of open interest, mean": """
        select asset, count(*) as hours, count(*) filter (is_fitting) as fitting,
            avg(observed_long_ratio) as "longs %", avg(observed_short_ratio) as "shorts %"
        from marts.outside_maps_hourly
        where provider = 'hyperliquid_positions' and asset in ('BTC', 'ETH', 'SOL')
        group by all order by all""",
    "Measured positions against the estimators": PAIRS
    + f"""
        select asset, provider_b as provider, count(*) filter (side = 'both') as hours,
            avg(overlap_ratio) filter (side = 'both') as "both %",
            min(overlap_ratio) filter (side = 'both') as "least %",
            max(overlap_ratio) filter (side = 'both') as "most %",
            avg(overlap_ratio) filter (side = 'long') as "longs %",
            avg(overlap_ratio) filter (side = 'short') as "shorts %",
            exp(median(-ln_ratio) filter (side = 'both')) as multiple,
            avg(band_match_ratio) filter (side = 'both') as bands
        from pair where {MEASURED} and asset in ('BTC', 'ETH', 'SOL')
        group by all order by asset, "both %" desc""",
    "Measured positions and estimators, mass within, mean of hours": mass_within(2, 5, 10)
    + """
        select near.asset, near.side, near.provider, avg(columns('%'))
        from near
        semi join marts.outside_maps_hourly as measured
            on measured.provider = 'hyperliquid_positions'
            and (near.asset, near.venue, near.as_of)
            = (measured.asset, measured.venue, measured.as_of)
        where near.asset in ('BTC', 'ETH') group by all order by all""",
    "What is left of turnover's map when a guess is swapped, both sides": """
        select assumption, variant,
            max(overlap_ratio) filter (as_of = '2026-03-03 00:00:00+00') as "2026-03-03 %",
            max(exp(-scale_log_ratio)) filter (as_of = '2026-03-03 00:00:00+00') as "total, times",
            min(overlap_ratio) as "least %", max(overlap_ratio) as "most %", count(*) as days
        from marts.assumption_sensitivity_hourly
        where asset = 'BTC' and provider = 'turnover' and side = 'both'
        group by all order by 3""",
}


def cell(name: str, value: object) -> str:
    """Return a value as the page has it; a column named with % holds a share."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if "%" in name:
        return f"{100 * value:.0f} %"
    return f"{value:,.0f}" if value >= 1e3 else f"{value:.3g}"


def table(reader: Reader, sql: str) -> Iterator[str]:
    """Yield the answer to a query as a Markdown table."""
    reader.execute(sql)
    names = reader.columns
    yield "| " + " | ".join(names) + " |"
    yield "| " + " | ".join("---" for _ in names) + " |"
    for row in reader.fetchall():
        yield "| " + " | ".join(map(cell, names, row)) + " |"


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="A home that was published.")
    with open_reader(Settings(home=parser.parse_args().home)) as reader:
        for title, sql in TABLES.items():
            print(f"## {title}\n", *table(reader, sql), "", sep="\n")


if __name__ == "__main__":
    main()
