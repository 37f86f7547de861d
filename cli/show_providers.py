"""`liqheat providers`: whose maps are published, their source, unit, coverage and age."""

from cli.arguments import Rows, exit_on_error
from cli.figures import percent
from cli.output import Format, print_table
from cli.published import Row, read_rows, write_all
from jobs.settings import read_settings

_PROVIDERS = """
with parameter as (
    select
        params_hash,
        any_value(provider) as provider,
        max(if(parameter = 'sends', value, null)) as sends,
        max(if(parameter = 'model', value, null)) as model,
        max(if(parameter = 'valuation', value, null)) as valuation,
        max(if(parameter = 'valuation', reason, null)) as documentation,
    from marts.estimator_parameters group by params_hash
),
held as (
    select
        provider, params_hash, unit, semantics,
        list_sort(list(distinct asset)) as assets,
        list_sort(list(distinct venue)) as venues,
        count(distinct (asset, as_of)) as asset_hours,
        min(as_of) as oldest, max(as_of) as newest,
    from derived.heatmap group by provider, params_hash, unit, semantics
),
captured as (
    select
        provider,
        max(captured_at) as newest_capture,
        count(*) filter (where not is_fitting) as unfit_captures,
        -- Of 20 % to either side, how much the maps speak of.
        avg(
            (least(ln(covered_price_high / coalesce(reference_price, covered_price_high)), 0.2)
            + least(ln(coalesce(reference_price, covered_price_low) / covered_price_low), 0.2))
            / 0.4
        ) as covered_ratio,
        avg((observed_long_ratio + observed_short_ratio) / 2) as observed_ratio,
    from marts.outside_maps_hourly group by provider
)
select
    held.provider,
    if(sends is null, 'estimator: ' || coalesce(model, ''), sends) as "from",
    unit, semantics, assets, venues, asset_hours, oldest, newest, newest_capture,
    unfit_captures, covered_ratio, observed_ratio, valuation, documentation, held.params_hash,
from held
left join parameter using (params_hash)
left join captured on held.provider = captured.provider
order by sends is not null, held.provider, unit
"""

_COLUMNS = (
    "provider",
    "from",
    "counts",
    "assets",
    "venues",
    "hours",
    "newest",
    "covers",
    "observed",
)


def providers_command(form: Rows = Format.table) -> None:
    """List the providers of maps: source, unit, coverage of prices and positions, age."""
    with exit_on_error():
        columns, rows = read_rows(read_settings(), _PROVIDERS)
        if form is not Format.table:
            write_all(columns, rows, form)
            return
        print_table(
            "providers of maps in the published file",
            _COLUMNS,
            map(_cells, rows),
            words=_COLUMNS[:3],
            notes=(
                "counts: standing is all open positions, opened only those opened within a "
                "look-back; relative has no scale, only its shape compares.",
                "covers: share of the 20 % either side of price with any figure. "
                "observed: share of open interest, where positions are measured.",
            ),
        )


def _cells(row: Row) -> list[str]:
    return [
        row["provider"],
        row["from"],
        f"{row['semantics']}, {row['unit']}",
        str(len(row["assets"])),
        str(len([venue for venue in row["venues"] if venue != "all"]) or "all"),
        f"{row['asset_hours'] / len(row['assets']):,.0f}",
        f"{row['newest_capture'] or row['newest']:%Y-%m-%d %H:%M}",
        percent(1.0 if row["covered_ratio"] is None else row["covered_ratio"]),
        percent(row["observed_ratio"], ".1f"),
    ]
