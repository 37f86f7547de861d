"""The page ``docs/measured.md``, written from the comparisons.

Belongs here: words and tables. A sentence that depends on a figure is chosen by it, so that the
page holds for other recordings. Does not belong here: the figures (``comparison``).
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.measured.comparison import (
    BY_DISTANCE,
    DAY_BEFORE,
    DISTANCES,
    EVEN,
    RANKED_BINS,
    WITH_TOTAL,
    MapComparison,
    MapComparisons,
    mean_with_interval,
)
from bench.measured.model_maps import MODELS
from transforms.series import SIDES, FloatArray

CHANCE: Final = 2.0
"""Standard errors within which a correlation of ranks is one by chance."""

INTRODUCTION: Final = """\
# Estimators against measured positions

Written by `make measured DATA=FOLDER`; edit nothing here.

On Hyperliquid every position is public, with its liquidation price. That is a map without an
assumption, so estimators can be held against it. Two recordings are used: all accounts in BTC at
one instant, and some two hundred leading wallets over nine days. How right maps are about realised
liquidations is another question, answered in [accuracy.md](accuracy.md).

**What is compared.** Maps within 20 % of price in bins of .4 %, as
`marts.provider_disagreement_hourly` compares any two. *Shared*: the part of the shape that two maps
have in common. What is not shared is *reach*, how far from price the mass lies (classes of 0-1,
1-2, 2-5, 5-10 and 10-20 % on each side), and *placement*, where exactly it lies. Two further
figures take reach out: *placed*, what is shared once a model holds in each class what was measured
there, and *rank*, the correlation of ranks of bins within classes. A map that knows no place has a
rank near 0; *{even}* shows what it has placed. Models end with the last whole hour before
each instant; margins are the default ladders. `path_only` and the ledgers have shapes and no total.
"""

LIMITS: Final = """\
## What this cannot show

- One instant of all accounts, of one coin, in one market. Its leverage priors were chosen on this
  very instant ([0028](decisions/0028-leverage-priors-near-price.md)): that reach of `turnover` and
  `open_interest` is near there is no test of it.
- The instant is Hyperliquid's, the hours are Binance's, because Hyperliquid's open interest is not
  recorded then. Entries differ between venues; the path of price does not.
- What is shared punishes a sharp map that is wrong more than a smooth one; ranks do not.
- Two hundred wallets are chosen for their success and hold a tenth of open interest. A few large
  positions decide where their map lies; a right map of everybody would not match them either. They
  are recorded within 30 % of price in cells of 1.2 %, most likely valued at entry.
- Open interest is recorded from December on with a gap from 4 January to 14 February: what was
  opened in between lies where price was when it ended. `taker_tilt` equals `turnover` where taker
  volume is not recorded.
- Nine days are nine blocks for intervals; wallets hold positions longer than a day, so the
  intervals are too narrow rather than too wide.

In a home that collects positions the same comparison is made each hour, against all accounts that
were found: `marts.provider_disagreement_hourly` with `hyperliquid_positions` as one of the two, and
`marts.measured_coverage_hourly` beside it says what share of open interest that is.
"""


def write_page(found: MapComparisons) -> str:
    """Return the page."""
    parts = [INTRODUCTION.format(even=EVEN), "## What it shows\n", *_verdict(found), ""]
    if found.population is not None:
        parts += _population(found.population)
    for one in found.wallets:
        parts += _wallets(one)
    if found.wallets:
        parts += [
            "![Shared with leading wallets by time](measured/overlap_by_time.svg)\n",
            _left_out(found.left_out),
        ]
    parts.append(LIMITS)
    return "\n".join(parts)


def _verdict(found: MapComparisons) -> Iterator[str]:
    """Yield what the figures show, as points."""
    if found.population is not None:
        yield from _verdict_of_population(found.population)
    for one in found.wallets:
        yield from _verdict_of_wallets(one)
    if found.population is None and not found.wallets:
        yield "- Nothing: the folder holds no measured positions with hours to run estimators on."


def _verdict_of_population(one: MapComparison) -> Iterator[str]:
    shared = {name: float(one.metrics[name].overlap[0, 2]) for name in MODELS}
    best, worst = max(shared, key=shared.__getitem__), min(shared, key=shared.__getitem__)
    yield (
        f"- **All accounts, {one.asset}**: maps share {_percent(shared[worst])} (`{worst}`) to "
        f"{_percent(shared[best])} (`{best}`) of the measured shape. A map with the right reach "
        f"and no place would share {_percent(float(one.metrics[EVEN].overlap[0, 2]))}."
    )
    ranks = {name: float(one.metrics[name].rank[0]) for name in MODELS}
    limit = CHANCE / np.sqrt(RANKED_BINS)
    knowing = [name for name, rank in ranks.items() if rank > limit]
    placed = [
        name for name in MODELS
        if one.metrics[name].placed[0, 2] > one.metrics[EVEN].placed[0, 2] + 0.005
    ]  # fmt: skip
    named = ", ".join(f"`{name}`" for name in knowing)
    yield (
        f"- **Where exactly positions lie** within a class of distance is known to {named}."
        if knowing
        else "- **Where exactly positions lie within a class of distance, no model is shown to "
        f"know**: ranks correlate by {min(ranks.values()):.2f} to {max(ranks.values()):.2f} "
        f"(chance: within {limit:.2f} of 0), and "
        + (
            "none shares more than an even spread once reach is corrected."
            if not placed
            else f"only {', '.join(f'`{name}`' for name in placed)} share more than an even spread "
            "once reach is corrected."
        )
    )
    shares = {name: one.shares_near(name)[:, -1] for name in ("measured", *WITH_TOTAL)}
    measured = shares.pop("measured")
    nearest = min(shares, key=lambda name: float(np.abs(np.log(shares[name] / measured)).sum()))
    yield (
        f"- **Total**: of a side's open interest {_percent(measured[0])} of longs and "
        f"{_percent(measured[1])} of shorts lie within 20 %; nearest is `{nearest}` with "
        f"{_percent(shares[nearest][0])} and {_percent(shares[nearest][1])}, furthest off "
        + _furthest(shares, measured)
    )


def _furthest(shares: dict[str, FloatArray], measured: FloatArray) -> str:
    name = max(shares, key=lambda one: float(np.abs(np.log(shares[one] / measured)).sum()))
    return f"`{name}` with {_percent(shares[name][0])} and {_percent(shares[name][1])}."


def _verdict_of_wallets(one: MapComparison) -> Iterator[str]:
    at = one.cells.at
    reference = one.metrics[BY_DISTANCE].overlap[:, 2]
    better: list[str] = []
    worse: list[str] = []
    for name in MODELS:
        low, high = mean_with_interval(at, one.metrics[name].overlap[:, 2] - reference)[1:]
        if low > 0.0:
            better.append(f"`{name}`")
        elif high < 0.0:
            worse.append(f"`{name}`")
    shared = [_mean(one.metrics[name].overlap[:, 2]) for name in MODELS]
    text = (
        f"- **Leading wallets, {one.asset}**: maps share {_percent(min(shared))} to "
        f"{_percent(max(shared))} on average; one that knows only how far from price these wallets "
        f"hold their positions on other days shares {_percent(_mean(reference))}. "
    )
    text += f"Better than that: {', '.join(better)}. " if better else "No model is better than that"
    if not better:
        text += f", and {', '.join(worse)} {_are(worse)} worse. " if worse else ". "
    rank, low, high = mean_with_interval(at, one.metrics[DAY_BEFORE].rank)
    ranks = {name: mean_with_interval(at, one.metrics[name].rank) for name in MODELS}
    known = [f"`{name}`" for name, (_, lower, _) in ranks.items() if lower > 0.0]
    text += (
        f"Ranks of places: above 0 for {', '.join(known)}"
        if known
        else "Ranks of places: above 0 for no model"
    )
    slope = mean_with_interval(at, one.metrics[BY_DISTANCE].rank)[0]
    yield (
        f"{text}; the map by distance has {_rank(slope)}, the wallets' own map of the day before "
        f"{_rank(rank, low, high)}."
    )


def _are(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _population(one: MapComparison) -> list[str]:
    """Return the section on all accounts."""
    at = np.datetime64(int(one.cells.at[0]), "us").astype("datetime64[m]")
    rows = [
        f"## All accounts: {one.asset}, {str(at).replace('T', ' ')} UTC\n",
        "| map | shared | longs | shorts | reach | placement | placed | rank |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*MODELS, EVEN):
        found = one.metrics[name]
        cells = [
            found.overlap[0, 2], found.overlap[0, 0], found.overlap[0, 1], found.reach[0, 2],
            found.placement[0, 2], found.placed[0, 2],
        ]  # fmt: skip
        rank = "" if name == EVEN else f"{found.rank[0]:.2f}"
        rows.append(f"| {_shown(name)} | " + " | ".join(map(_percent, cells)) + f" | {rank} |")
    rows += [
        "",
        "Share of a side's open interest within a distance of price (positions in units of the "
        "asset; |ln(liquidation price / price)|). Every contract has a long and a short, so open "
        "interest is the larger side of what is measured.\n",
        "| map | side | " + " | ".join(f"{one:.0%}" for one in DISTANCES) + " |",
        "| --- | --- |" + " --- |" * len(DISTANCES),
    ]
    for name in ("measured", *WITH_TOTAL):
        for side, shares in zip(SIDES, one.shares_near(name), strict=True):
            cells = [f"{100 * share:.1f} %" for share in shares.tolist()]
            rows.append(f"| {_shown(name)} | {side}s | " + " | ".join(cells) + " |")
    return [*rows, "", "![Reach, all accounts](measured/reach_all_accounts.svg)\n"]


def _wallets(one: MapComparison) -> list[str]:
    """Return the section on leading wallets in one coin."""
    at = one.cells.at
    first, last = (str(np.datetime64(int(each), "us"))[:10] for each in (at[0], at[-1]))
    longs, shorts = (_percent(_mean(each)) for each in one.cells.observed_ratio.T)
    rows = [
        f"## Leading wallets: {one.asset}, {len(at)} snapshots, {first} to {last}\n",
        f"They hold {longs or 'an unknown part'} of the longs and {shorts or 'an unknown part'} of "
        "the shorts on Hyperliquid. Means over snapshots, with 95 % intervals over days; *total*: "
        "USD within 20 % as a multiple of the wallets', median. Models run on the hours of "
        f"{one.venue.title()}.\n",
        "| map | shared | least to most | longs | shorts | reach | placement | placed | rank "
        "| total, longs / shorts |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*MODELS, BY_DISTANCE, DAY_BEFORE, EVEN):
        found = one.metrics[name]
        mean, low, high = mean_with_interval(at, found.overlap[:, 2])
        both = found.overlap[:, 2]
        total = np.exp(np.nanmedian(found.log_total, axis=0)) if name in WITH_TOTAL else None
        rank, rank_low, rank_high = mean_with_interval(at, found.rank)
        cells = [
            _percent(mean) + (f" [{_percent(low)}, {_percent(high)}]" if np.isfinite(low) else ""),
            f"{_percent(np.nanmin(both))} to {_percent(np.nanmax(both))}",
            *(_percent(_mean(found.overlap[:, side])) for side in (0, 1)),
            *(_percent(_mean(each[:, 2]))
              for each in (found.reach, found.placement, found.placed)),
            "" if name == EVEN else _rank(rank, rank_low, rank_high),
            "" if total is None else f"{total[0]:.1f} / {total[1]:.1f}",
        ]  # fmt: skip
        rows.append(f"| {_shown(name)} | " + " | ".join(cells) + " |")
    return [*rows, ""]


def _left_out(left_out: dict[str, str]) -> str:
    """Return which coins are not compared, and why."""
    by_reason: dict[str, list[str]] = {}
    for asset, reason in left_out.items():
        by_reason.setdefault(reason, []).append(asset)
    points = [f"{', '.join(assets)} ({reason})" for reason, assets in by_reason.items()]
    return f"Recorded and not compared: {'; '.join(points)}.\n" if points else ""


def _mean(values: FloatArray) -> float:
    """Return the mean of what is known; NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _rank(value: float, low: float = float("nan"), high: float = float("nan")) -> str:
    if not np.isfinite(value):
        return "none"
    return f"{value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else "")


def _shown(name: str) -> str:
    return f"`{name}`" if name in MODELS else name


def _percent(share: float) -> str:
    return "" if not np.isfinite(share) else f"{100 * share:.0f} %"
