"""Write the report behind the gates: how measures are distributed, and what each gate flags.

``python -m bench.quality_evidence --recorded FOLDER > docs/quality_thresholds.md``, where the
folder holds recorded files that ``liqheat import`` would take.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from bench.corruption import (
    DAY,
    SEED,
    DataSet,
    corruption,
    corruption_sets,
    grade,
    is_clean,
    only,
    recorded,
    simulated,
)
from quality.gates import Gate, declared_gates, venue_gates

LARGE = ["BTC", "ETH"]


def span(start: str, end: str) -> tuple[datetime, datetime]:
    """Return two days as instants."""
    return (
        datetime.fromisoformat(start).replace(tzinfo=UTC),
        datetime.fromisoformat(end).replace(tzinfo=UTC),
    )


def groups(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the graded hours of each group of series with its name."""
    spring = recorded(folder, *span("2026-02-15", "2026-03-05"))
    winter = recorded(folder, *span("2025-12-01", "2026-01-04"))

    def hours(data: DataSet) -> pd.DataFrame:
        # A series counts from its first full day of open interest; coverage measures the holes
        # after that.
        graded = grade(data, data.records, by_hour=True)
        has_open_interest = graded["open_interest_median_24h_usd"].notna()
        first = graded[has_open_interest].groupby(["asset", "venue"])["as_of"].min().rename("first")
        joined = graded.merge(first, on=["asset", "venue"], how="left")
        return joined[joined["first"].isna() | (joined["as_of"] >= joined["first"] + DAY)]

    def chosen(data: DataSet, venues: list[str], *, large: bool | None = None) -> pd.DataFrame:
        def wanted(known: pd.DataFrame) -> pd.Series:
            is_venue = known["venue"].isin(venues)
            return is_venue if large is None else is_venue & (known["asset"].isin(LARGE) == large)

        graded = hours(data)
        return graded[wanted(graded)]

    four = ["binance", "bybit", "okx", "gate"]
    yield "BTC, ETH on binance, bybit, okx, gate", chosen(spring, four, large=True)
    yield "5 alts on binance, bybit, okx", chosen(spring, four[:3], large=False)
    yield "5 alts on gate", chosen(spring, ["gate"], large=False)
    yield "hyperliquid, averaged stamps", chosen(spring, ["hyperliquid"])
    yield "lighter, gaps of days", chosen(winter, ["lighter"])
    yield "deribit BTC, ETH", chosen(spring, ["deribit"], large=True)
    yield "deribit alts, thin", chosen(spring, ["deribit"], large=False)
    yield "simulated, liquid", hours(simulated(12))
    yield "simulated, thin with a whale", hours(simulated(12, with_whale=True))


def number(value: float) -> str:
    """Return a figure to three digits."""
    if pd.isna(value):
        return ""
    for size, letter in ((1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.4g}"


def share(value: float) -> str:
    """Return a share in per cent; nothing where it is zero."""
    return "" if not value else f"{value:.1%}"


def is_beyond(values: pd.Series, gate: Gate, level: float | None) -> pd.Series:
    """Return which values are beyond a level."""
    if level is None:
        return pd.Series(data=False, index=values.index)
    beyond = values < level if gate.direction == "at_least" else values > level
    return beyond.where(values.notna(), gate.is_required)


def measured(hours: pd.DataFrame, measure: str) -> pd.Series:
    """Return a measure as numbers."""
    return hours[measure].astype("float64")


def gate_table() -> Iterator[str]:
    """Yield the gates with their levels and reasons."""
    yield "| gate | measure | unit | soft | hard | counts as | reason |"
    yield "| --- | --- | --- | ---: | ---: | --- | --- |"
    for name, gate in declared_gates().items():
        side = "≥" if gate.direction == "at_least" else "≤"
        levels = [
            "" if level is None else f"{side} {number(level)}" for level in (gate.soft, gate.hard)
        ]
        cells = [name, f"`{gate.measure}`", gate.unit, *levels, gate.role, gate.reason]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def distribution(found: list[tuple[str, pd.DataFrame]]) -> Iterator[str]:
    """Yield one table a measure: its distribution in each group and what its gate flags."""
    for name, gate in venue_gates(declared_gates()).items():
        # The measure of set_apart is there only for what is set apart: the verdicts count it.
        if gate.role == "information" or name in {"no_data", "set_apart"}:
            continue
        side = "at least" if gate.direction == "at_least" else "at most"
        levels = ", ".join(
            f"{word} {number(level)}"
            for word, level in (("soft", gate.soft), ("hard", gate.hard))
            if level is not None
        )
        yield f"\n### {name}\n"
        yield f"`{gate.measure}` [{gate.unit}], {side}: {levels}.\n"
        worst = "smallest" if gate.direction == "at_least" else "largest"
        # The tail that matters is the one towards the gate.
        quantiles = (0.5, 0.1, 0.01, 0.0) if gate.direction == "at_least" else (0.5, 0.9, 0.99, 1.0)
        yield (
            "| group | median | " + " | ".join(f"{q:.0%}" for q in quantiles[1:3])
            + f" | {worst} | beyond soft | beyond hard |"
        )  # fmt: skip
        yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
        for group, hours in found:
            values = measured(hours, gate.measure)
            known = values.dropna()
            cells = [number(known.quantile(q)) if len(known) else "" for q in quantiles]
            cells += [
                share(is_beyond(values, gate, level).mean()) for level in (gate.soft, gate.hard)
            ]
            yield f"| {group} | " + " | ".join(cells) + " |"


def verdicts(found: list[tuple[str, pd.DataFrame]]) -> Iterator[str]:
    """Yield how the hours of each group are graded, and for which reasons."""
    yield "| group | hours | A | B | C | reasons, share of hours |"
    yield "| --- | ---: | ---: | ---: | ---: | --- |"
    quiet = [
        name for name, gate in venue_gates(declared_gates()).items() if gate.role == "information"
    ]
    for group, hours in found:
        reasons = hours["reason_names"].explode()
        counts = reasons[~reasons.isin(quiet)].value_counts() / max(len(hours), 1)
        named = ", ".join(f"{name} {value:.0%}" for name, value in counts.items() if value >= 0.005)
        grades = [f"{(hours['grade'] == grade).mean():.1%}" for grade in "ABC"]
        yield f"| {group} | {len(hours):,} | " + " | ".join(grades) + f" | {named} |"


def by_size(folder: Path) -> Iterator[str]:
    """Yield the daily figures of many perpetuals by their size, and which are low-caps."""

    def wide(file: str, field: str) -> pd.DataFrame:
        table = pd.read_csv(folder / file, index_col="t", parse_dates=True)
        ending = f"USDT_PERP.A_{field}"
        picked = table[[name for name in table.columns if name.endswith(ending)]]
        return picked.rename(columns=lambda name: name.removesuffix(ending))

    open_interest, close, volume = (
        wide("open_interest.csv", "oi"),
        wide("close_volume.csv", "close"),
        wide("close_volume.csv", "volume"),
    )
    held = open_interest * close
    change = open_interest.diff().abs()
    gates = declared_gates()
    assert gates["low_open_interest"].soft is not None
    assert gates["low_volume"].soft is not None

    def days_of(table: pd.DataFrame, name: str) -> pd.Series:
        return table.melt(ignore_index=False, var_name="asset", value_name=name).set_index(
            "asset", append=True
        )[name]

    days = pd.concat(
        [
            days_of(held, "open_interest_usd"),
            days_of(volume * close, "traded_usd"),
            days_of(change / open_interest.shift(), "change_ratio"),
            days_of((change > volume * (1 + 1e-6)).where(change.notna()), "is_violation"),
        ],
        axis=1,
    ).dropna(subset=["open_interest_usd", "traded_usd"])
    edges = [0, 5e6, 1e7, 2e7, 5e7, 2e8, np.inf]
    size = pd.cut(held.median(), edges, labels=["< 5 M", "5-10 M", "10-20 M", "20-50 M",
                                                "50-200 M", "> 200 M"])  # fmt: skip
    days["size"] = days.index.get_level_values(1).map(size)
    days["is_low"] = (days["open_interest_usd"] < gates["low_open_interest"].soft) | (
        days["traded_usd"] < gates["low_volume"].soft
    )
    yield (
        "| median open interest [USD] | perpetuals | days | traded a day, median [USD] | "
        "largest change of a day, median perpetual | change over 10 % | change above volume | "
        "low-cap days |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for label, part in days.groupby("size", observed=True):
        names = part.index.get_level_values(1)
        largest = part["change_ratio"].groupby(names).max().median()
        yield (
            f"| {label} | {names.nunique()} | {len(part):,} "
            f"| {number(part['traded_usd'].median())} | {largest:.0%} "
            f"| {share((part['change_ratio'] > 0.1).mean())} "
            f"| {share(part['is_violation'].mean())} | {share(part['is_low'].mean())} |"
        )


def report(folder: Path) -> Iterator[str]:
    """Yield the lines of the report."""
    found = list(groups(folder / "market_1h"))
    daily = sorted(folder.glob("daily_*perps*"))
    yield "# Where the gates stand, and why"
    yield ""
    yield (
        "Generated by `python -m bench.quality_evidence --recorded FOLDER`; do not edit. Hours "
        "are those at which a series is graded; recorded bars are of one hour (2026-02-15 to "
        "03-05, Lighter 2025-12-01 to 2026-01-04), simulated ones of five minutes. The levels "
        "were set on these very data, so what they flag of them is no forecast; five-minute bars "
        "of real venues were not at hand."
    )
    yield "\n## Gates\n"
    yield from gate_table()
    yield "\n## Verdicts\n"
    yield from verdicts(found)
    yield "\nAn hour can have several reasons.\n"
    yield "## Distributions"
    yield from distribution(found)
    if daily:
        yield "\n## Size\n"
        yield (
            "Daily figures of Binance's perpetuals in 2022. Below 5 M USD of open interest the "
            "largest change of a day is of the size of the book.\n"
        )
        yield from by_size(daily[0])
    yield "\n## Corruption\n"
    yield (
        "Rows of bars and open interest, drawn at random, are corrupted after they came in, so "
        "checks on incoming rows play no part. The tables give the share of asset-days with at "
        "least one such row that are flagged (`is_noisy`). Recorded series are those that keep "
        "their books: all on binance, bybit and okx, BTC and ETH on gate.\n"
    )
    for data in corruption_sets(12, folder / "market_1h"):
        yield from corruption(data, SEED)
        yield ""
    still = only(recorded(folder / "market_1h", *span("2024-08-01", "2025-05-10")), is_clean)
    bybit = grade(still, still.records)
    bybit = bybit[(bybit["venue"] == "bybit") & (bybit["bar_coverage_24h_ratio"] > 0)]
    counts = bybit.loc[bybit["is_noisy"], "reason_names"].explode().value_counts()
    yield (
        "A span that no level was set on: bybit's seven perpetuals from 2024-08 to 2025-05, "
        f"{len(bybit):,} asset-days, {bybit['is_noisy'].mean():.2%} flagged "
        f"({', '.join(f'{name} {count}' for name, count in counts.items()) or 'none'})."
    )


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="Folder of recorded files.")
    for line in report(parser.parse_args().recorded):
        print(line, flush=True)


if __name__ == "__main__":
    main()
