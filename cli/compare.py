"""The commands that set maps side by side: who says what, where the bands are, who disagrees."""

import logging
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.arguments import AsOf, AsOfPublished, Rows, hour_of, told
from cli.output import Format, progress_bar, write_rows
from jobs.errors import NothingToDo
from jobs.settings import Settings, read_settings

_BANDS = """
select * from marts.liquidation_bands_hourly
where asset = $asset and provider = $provider and venue = $venue and as_of = (
    select max(as_of) from marts.liquidation_bands_hourly
    where asset = $asset and provider = $provider and venue = $venue
        and as_of <= coalesce($as_of, 'infinity'::timestamptz)
)
order by side desc, rank
"""

_KNOWN_BANDS = """
select if(asset = $asset, provider || ' on ' || venue, asset) as known
from (select distinct asset, provider, venue from marts.liquidation_bands_hourly)
where asset = $asset or not exists (
    from marts.liquidation_bands_hourly where asset = $asset
)
group by known order by known limit 60
"""


LEAST_PRINTED_ODDS = 0.001
"""Odds are never printed below one in a thousand, as they are never stored below it."""

WIDEST_REACH = 22.2
"""How far bands reach from price: 20 % of log price [percent]."""

LEAST_START_UP = 0.05
"""Share of start-up mass in a band that is worth a word [ratio]."""

MOST_START_UPS = 3
"""Bands named for their start-up mass."""


def _one_hour(
    settings: Settings, sql: str, parameters: dict[str, Any]
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """Return the columns and rows of a query."""
    from jobs.read.query import query

    with query(settings, sql, parameters) as answer:
        return answer.columns, [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def usd(value: float | None) -> str:
    """Return an amount for the eye: 12.3 M."""
    if value is None:
        return ""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.1f} {letter}"
    return f"{value:,.0f}"


def price(value: float) -> str:
    """Return a price for the eye, to about a hundredth of a percent."""
    if value >= 10_000:
        return f"{value:,.0f}"
    return f"{value:,.5g}" if value < 1_000 else f"{value:,.1f}"


def percent(value: float | None, form: str = ".0f") -> str:
    """Return a share for the eye."""
    return "" if value is None else f"{100 * value:{form}} %"


def odds(value: float | None) -> str:
    """Return odds for the eye: tenths where they are small, and nothing below 1 in 1,000."""
    if value is None:
        return ""
    if value <= LEAST_PRINTED_ODDS:
        return "< 0.1 %"
    return percent(value, ".1f" if value < 0.0995 else ".0f")


def _print(table: Table, *notes: str) -> None:
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    for note in notes:
        console.print(note, style="dim", highlight=False)


def _table(title: str, *columns: tuple[str, str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for name, justify in columns:
        # Figures stay whole; words may break.
        table.add_column(name, justify=justify, no_wrap=justify == "right")  # type: ignore[arg-type]
    return table


def show_bands(
    settings: Settings,
    asset: str,
    provider: str,
    form: Format,
    *,
    venue: str = "all",
    within: float | None = None,
    as_of: datetime | None = None,
    hidden: bool = False,
) -> None:
    """Write the bands of one provider's newest map, both sides always.

    Parameters
    ----------
    settings : Settings
        Where things are.
    asset, provider, venue : str
        Whose bands.
    form : Format
        A table for the eye, or rows.
    within : float, optional
        Percent of price up to which bands are shown, by their near edge; by default a table shows
        what three times the volatility of the day reaches, and rows are all there are.
    as_of : datetime, optional
        Not later than this hour.
    hidden : bool
        Show them even if the asset is too noisy.

    Raises
    ------
    NothingToDo
        There are none; the message names those there are.
    """
    which = {"asset": asset, "provider": provider, "venue": venue, "as_of": as_of}
    columns, bands = _one_hour(settings, _BANDS, which)
    if not bands:
        _, known = _one_hour(settings, _KNOWN_BANDS, {"asset": asset})
        raise NothingToDo(
            f"no bands of {asset} by {provider} on {venue} are published; there are: "
            + ("; ".join(row["known"] for row in known) or "none, run `liqheat run` first")
        )
    if bands[0]["is_hidden"] and not hidden:
        typer.echo(
            f"{asset} is too noisy to act on (grade C), its bands are left out; "
            f"`liqheat quality {asset}` says why, "
            "--hidden shows them all the same",
            err=True,
        )
        bands = []
    if form is not Format.table:
        shown = [band for band in bands if within is None or _away(band) <= within]
        write_rows(columns, [list(band.values()) for band in shown], form)
    elif bands:
        _print_bands(bands, within or _reach(bands[0]))


def _away(band: dict[str, Any]) -> float:
    """Return how far the near edge of a band is from price [percent]; 0 where price is in it."""
    now: float = band["price"]
    away: float = max(band["price_low"] / now - 1.0, 1.0 - band["price_high"] / now, 0.0)
    return 100.0 * away


def _reach(band: dict[str, Any]) -> float:
    """Return how far price may get in a day, generously, in whole percent [percent]."""
    sigma = band["volatility_day_ratio"]
    return WIDEST_REACH if sigma is None else math.ceil(min(max(300.0 * sigma, 3.0), WIDEST_REACH))


def _print_bands(bands: Sequence[dict[str, Any]], within: float) -> None:
    first = bands[0]
    table = _table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, price {price(first['price'])}: "
        f"bands within {within:g} % by {first['provider']}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}",
        ("side", "left"),
        ("#", "right"),
        ("price band", "right"),
        ("from price", "right"),
        ("holds, USD", "right"),
        ("touched in 24 h", "right"),
        ("forced in 24 h", "right"),
        ("seen by", "right"),
    )
    rows = {}
    for side in ("short", "long"):
        own = sorted(
            (band for band in bands if band["side"] == side), key=lambda band: -band["price_peak"]
        )
        near = [band for band in own if _away(band) <= within]
        rows[side] = [_band_cells(band) for band in near]
        if not near:
            nearest = min(map(_away, own), default=None)
            beyond = "" if nearest is None else f", the next at {nearest:.1f} %"
            rows[side].append([f"{side}s", "", f"none within {within:g} %{beyond}", *[""] * 5])
        if own and own[0]["liquidation_usd"] is not None:
            # The whole side stands outermost.
            rows[side].insert(0 if side == "short" else len(rows[side]), _side_cells(own[0]))
    for cells in (*rows["short"], ["price", "", price(first["price"]), *[""] * 5], *rows["long"]):
        table.add_row(*cells)
    _print(table, *band_notes(bands, within))


def _side_cells(band: dict[str, Any]) -> list[str]:
    """Return what the whole side of a band holds."""
    held = usd(band["liquidation_usd"] / band["side_share_ratio"])
    expected = usd(band["side_expected_forced_usd_24h"])
    return [f"{band['side']}s", "", "all within 20 %", "", held, "", expected, ""]


def _band_cells(band: dict[str, Any]) -> list[str]:
    held, expected = band["liquidation_usd"], band["expected_forced_usd_24h"]
    return [
        f"{band['side']}s",
        str(band["rank"]),
        f"{price(band['price_low'])} - {price(band['price_high'])}",
        f"{100 * (band['price_peak'] / band['price'] - 1):+.1f} %",
        percent(band["side_share_ratio"], ".1f") + " of side" if held is None else usd(held),
        odds(band["touch_probability_24h_ratio"]),
        usd(expected),
        f"{band['agreeing_provider_count']} of {band['provider_count']}",
    ]


def band_notes(bands: Sequence[dict[str, Any]], within: float) -> list[str]:
    """Return what a reader of the table has to know."""
    notes = []
    if any(band["expected_forced_usd_24h"] is None for band in bands):
        is_known = bands[0]["touch_probability_24h_ratio"] is not None
        notes.append(
            "no expected figure: the map has no scale in USD or does not say what stands; "
            "ranked by what each holds times the odds of touch."
            if is_known
            else "no odds: less than a day of returns is known; ranked by what each holds."
        )
    far = sum(_away(band) > within for band in bands)
    if far:
        notes.append(f"{far} more farther away: --within {math.ceil(max(map(_away, bands)))}.")
    started = sorted(
        (band for band in bands if _away(band) <= within),
        key=lambda band: -(band["start_up_ratio"] or 0.0),
    )
    parts = [
        f"{percent(band['start_up_ratio'])} at {price(band['price_low'])} - "
        f"{price(band['price_high'])}"
        for band in started[:MOST_START_UPS]
        if (band["start_up_ratio"] or 0.0) >= LEAST_START_UP
    ]
    if parts:
        notes.append(
            "left out as start-up mass, placed when the series began and not by trading since: "
            f"{', '.join(parts)}."
        )
    return [
        *notes,
        "#: by what is expected to be forced. holds: an estimate, not a register of positions.",
        "touched: odds from distance and recent volatility alone, they know nothing of the band. "
        "forced: expected, holds x odds bin by bin.",
        "seen by: votes of providers with a band in the same place; near copies share one.",
    ]


def bands_command(
    asset: Annotated[str, typer.Argument(help="Base coin: BTC.")],
    provider: Annotated[
        str, typer.Option(help="Whose map; 'consensus' for the mean of all.")
    ] = "turnover",
    venue: Annotated[str, typer.Option(help="A venue, or 'all'.")] = "all",
    within: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=100,
            help="Percent of price to show. By default a table shows three times the volatility "
            "of the day, csv and json everything.",
        ),
    ] = None,
    hidden: Annotated[
        bool, typer.Option("--hidden", help="Show them even if the asset is too noisy.")
    ] = False,
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show what could be forced near price today: bands of both sides with their odds."""
    with told():
        show_bands(
            read_settings(),
            asset.upper(),
            provider,
            form,
            venue=venue,
            within=within,
            as_of=None if as_of is None else hour_of(as_of),
            hidden=hidden,
        )


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


def providers_command(form: Rows = Format.table) -> None:
    """List who says where liquidations sit: from where, in what, how much of it, how fresh."""
    with told():
        columns, rows = _one_hour(read_settings(), _PROVIDERS, {})
        if form is not Format.table:
            write_rows(columns, [list(row.values()) for row in rows], form)
            return
        table = _table(
            "providers of maps in the published file",
            ("provider", "left"),
            ("from", "left"),
            ("counts", "left"),
            ("assets", "right"),
            ("venues", "right"),
            ("hours", "right"),
            ("newest", "right"),
            ("speaks of", "right"),
            ("looked at", "right"),
        )
        for row in rows:
            table.add_row(
                row["provider"],
                row["from"],
                f"{row['semantics']}, {row['unit']}",
                str(len(row["assets"])),
                str(len([venue for venue in row["venues"] if venue != "all"]) or "all"),
                f"{row['asset_hours'] / len(row['assets']):,.0f}",
                f"{row['newest_capture'] or row['newest']:%Y-%m-%d %H:%M}",
                percent(1.0 if row["covered_ratio"] is None else row["covered_ratio"]),
                percent(row["observed_ratio"], ".1f"),
            )
        _print(
            table,
            "counts: standing is all that is open, opened only what was opened within a look-back; "
            "relative has no scale, only its shape compares.",
            "speaks of: share of the 20 % either side of price with any figure. "
            "looked at: share of open interest, where positions are measured.",
        )


_ASSET_DISAGREEMENT = """
select * from marts.asset_disagreement_hourly where asset = $asset and as_of = $hour
"""

_PAIRS = """
select * from marts.provider_disagreement_hourly
where asset = $asset and as_of = $hour and side = $side and venue = $venue
order by overlap_ratio nulls last, provider_a, provider_b
"""

_VENUES = """
select list_sort(list(distinct venue)) as venues from marts.provider_disagreement_hourly
where asset = $asset and as_of = $hour
"""

_NEWEST = """
select max(as_of) as hour from marts.provider_disagreement_hourly
where asset = $asset and as_of <= coalesce($as_of, 'infinity'::timestamptz)
"""


def disagreement_command(
    asset: Annotated[str, typer.Argument(help="Base coin: BTC.")],
    side: Annotated[str, typer.Option(help="long, short or both.")] = "both",
    venue: Annotated[str, typer.Option(help="Whose maps, or 'all'.")] = "all",
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show how far the providers differ on an asset, pair by pair, and in what."""
    asset = asset.upper()
    if side not in ("long", "short", "both"):
        raise typer.BadParameter(f"{side} is none of long, short, both", param_hint="--side")
    with told():
        settings = read_settings()
        which = {"asset": asset, "as_of": None if as_of is None else hour_of(as_of)}
        hour = _one_hour(settings, _NEWEST, which)[1][0]["hour"]
        if hour is None:
            raise NothingToDo(
                f"no two maps of {asset} are published; `liqheat providers` says of what there are"
            )
        at = {"asset": asset, "hour": hour}
        columns, pairs = _one_hour(settings, _PAIRS, {**at, "side": side, "venue": venue})
        venues = _one_hour(settings, _VENUES, at)[1][0]["venues"]
        if not pairs:
            raise NothingToDo(
                f"no two maps of {asset} on {venue} at {hour:%Y-%m-%d %H:%M} UTC; there are of "
                + ", ".join(venues)
            )
        if form is not Format.table:
            write_rows(columns, [list(pair.values()) for pair in pairs], form)
            return
        others = [other for other in venues if other != venue]
        _print_pairs(
            pairs,
            _one_hour(settings, _ASSET_DISAGREEMENT, at)[1],
            f"also compared: --venue {', '.join(others)}." if others else "",
        )


def _print_pairs(
    pairs: Sequence[dict[str, Any]], whole: Sequence[dict[str, Any]], others: str
) -> None:
    first = pairs[0]
    table = _table(
        f"{first['asset']} {first['as_of']:%Y-%m-%d %H:%M} UTC, "
        f"{'both sides' if first['side'] == 'both' else first['side'] + 's'}, "
        f"{'all venues' if first['venue'] == 'all' else first['venue']}: "
        "how far two providers differ",
        ("a", "left"),
        ("b", "left"),
        ("share", "right"),
        ("reach", "right"),
        ("placement", "right"),
        ("moved by", "right"),
        ("bands", "right"),
        ("total a : b", "right"),
        ("", "left"),
    )
    for pair in pairs:
        notes = [pair["reason"]] if pair["reason"] else []
        if not notes and min(pair["covered_a_ratio"], pair["covered_b_ratio"]) < 1:
            spoken = {end: pair[f"covered_{end}_ratio"] for end in "ab"}
            notes = [f"{end} speaks of {percent(part)}" for end, part in spoken.items() if part < 1]
            notes.append(f"there they share {percent(pair['common_overlap_ratio'])}")
        scale = pair["scale_log_ratio"]
        moved = pair["wasserstein_bps"]
        table.add_row(
            pair["provider_a"],
            pair["provider_b"],
            percent(pair["overlap_ratio"]),
            percent(pair["reach_ratio"]),
            percent(pair["placement_ratio"]),
            "" if moved is None else f"{moved / 100:.1f} %",
            percent(pair["band_match_ratio"]),
            "" if scale is None else f"{math.exp(scale):.2g}",
            "; ".join(notes),
        )
    told_whole = []
    if whole and whole[0]["overlap_mean_ratio"] is not None:
        row = whole[0]
        told_whole = [
            f"all venues, both sides: {row['provider_count']} providers (near copies count once) "
            f"share {percent(row['overlap_mean_ratio'])} on average; of what they do not share "
            f"{percent(row['reach_share_ratio'])} is how far from price (leverage assumed), "
            "the rest where exactly (entries assumed).",
            f"furthest apart: {row['furthest_provider_a']} and {row['furthest_provider_b']}.",
        ]
    _print(
        table,
        *told_whole,
        "share + reach + placement = 100 %. moved by: how far mass would have to move along price. "
        "bands: of the five largest of one, found in the other.",
        *filter(None, [others]),
    )


def fetch_command() -> None:
    """Ask outside providers for their maps, where a key is set, and load what they say."""
    from jobs.collect.providers import fetch_providers

    # What went wrong is told below, once.
    logging.getLogger("jobs.collect.providers").setLevel(logging.ERROR)
    with told():
        report = fetch_providers(read_settings(), clock=lambda: datetime.now(UTC))
        for name, variables in report.without_key.items():
            typer.echo(f"{name}: not asked, {', '.join(variables)} not set", err=True)
        for name, one in report.providers.items():
            typer.echo(
                f"{name}: {one.answered} of {one.asked} answered, {one.cells:,} cells, "
                f"{one.quarantined} set aside",
                err=True,
            )
            for message in one.messages:
                typer.echo(f"  {message}", err=True)
        if report.providers and not report.is_loaded:
            typer.echo("the warehouse is busy: the next run loads what has landed", err=True)
        if any(one.messages for one in report.providers.values()):
            raise typer.Exit(1)


def vary_command(
    days: Annotated[
        int, typer.Option(min=1, max=3660, help="Midnights looked at, back from the last.")
    ] = 31,
    as_of: AsOf = None,
) -> None:
    """Measure which guess the maps hang on: one assumption swapped at a time, at midnights."""
    from jobs.compare.sensitivity import measure_sensitivity

    with told(), progress_bar() as progress:
        report = measure_sensitivity(
            read_settings(), as_of=hour_of(as_of), days=days, progress=progress
        )
        typer.echo(
            f"looked at {report.map_count:,} maps, {report.row_count:,} rows; "
            "`liqheat publish` shows them to readers",
            err=True,
        )


_ASSUMPTIONS = """
select * from marts.assumption_sensitivity_hourly
where asset = $asset and provider = $provider and side = 'both' and as_of = (
    select max(as_of) from marts.assumption_sensitivity_hourly
    where asset = $asset and provider = $provider
        and as_of <= coalesce($as_of, 'infinity'::timestamptz)
)
order by overlap_ratio nulls last, assumption, variant
"""


def assumptions_command(
    asset: Annotated[str, typer.Argument(help="Base coin: BTC.")],
    provider: Annotated[str, typer.Option(help="Which estimator.")] = "turnover",
    form: Rows = Format.table,
    as_of: AsOfPublished = None,
) -> None:
    """Show which guess a map hangs on: what is left of it when one assumption is swapped."""
    asset = asset.upper()
    which = {
        "asset": asset,
        "provider": provider,
        "as_of": None if as_of is None else hour_of(as_of),
    }
    with told():
        columns, rows = _one_hour(read_settings(), _ASSUMPTIONS, which)
        if not rows:
            raise NothingToDo(
                f"the assumptions of {provider} on {asset} have not been looked at; "
                "run `liqheat vary`, then `liqheat publish`"
            )
        if form is not Format.table:
            write_rows(columns, [list(row.values()) for row in rows], form)
            return
        table = _table(
            f"{asset} {rows[0]['as_of']:%Y-%m-%d %H:%M} UTC, all venues: "
            f"what is left of the map by {provider} with one assumption swapped",
            ("assumption", "left"),
            ("is", "left"),
            ("swapped for", "left"),
            ("share", "right"),
            ("reach", "right"),
            ("placement", "right"),
            ("moved by", "right"),
            ("bands", "right"),
            ("total", "right"),
            ("", "left"),
        )
        for row in rows:
            moved, scale = row["wasserstein_bps"], row["scale_log_ratio"]
            is_same = scale is not None and abs(scale) < 1e-6 and row["overlap_ratio"] > 1 - 1e-6
            table.add_row(
                row["assumption"].replace("_", " "),
                row["baseline"],
                row["variant"],
                percent(row["overlap_ratio"]),
                percent(row["reach_ratio"]),
                percent(row["placement_ratio"]),
                "" if moved is None else f"{moved / 100:.1f} %",
                percent(row["band_match_ratio"]),
                "" if scale is None else f"x {math.exp(-scale):.2f}",
                "same map" if is_same else "",
            )
        _print(
            table,
            "share: what the map with the swap has in common with the one without; the less, the "
            "more hangs on the guess. total: how much larger or smaller the map becomes.",
            "same map: without taker volume, lows and highs of mark, or earlier bars, a guess "
            "about them changes nothing.",
        )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("providers")(providers_command)
    app.command("bands")(bands_command)
    app.command("disagreement")(disagreement_command)
    app.command("assumptions")(assumptions_command)
    app.command("fetch")(fetch_command)
    app.command("vary")(vary_command)
