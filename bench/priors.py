"""How far the shipped leverage priors are from measured positions and realised liquidations.

``python -m bench.priors --recorded FOLDER``, where the folder holds ``providers``, ``calibration``,
``binance_dumps`` and ``market_1h``. Prints three tables, each for the priors that ship and for
those they replaced:

- the share of positions within 2, 5, 10 and 20 % of price, against all accounts on Hyperliquid
  (BTC, 2026-04-05 14:30);
- the same shares of what lies within 28 % of price, against leading wallets on Hyperliquid in
  February 2026, which the priors were not chosen by;
- predicted against realised liquidations: their ratio, and the Poisson deviance that predictions
  scaled by this one ratio remove.

Estimators run on Binance's hours, because Hyperliquid's open interest is not recorded up to then.
Shares are of positions in units of the asset, as measured ones are valued at one price.

``docs/decisions/0028-leverage-priors-near-price.md`` has the last figures.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.accuracy.panels import to_model_bars
from bench.accuracy.recorded import (
    HOUR,
    HourlyBars,
    read_binance_bars,
    read_bybit_bars,
    read_realised,
)
from transforms.accounting import impute_open_interest
from transforms.calibration.poisson import poisson_deviance
from transforms.engine import run
from transforms.estimators import ESTIMATORS, EstimatorParameters
from transforms.grid import bin_edges
from transforms.ladders import default_brackets
from transforms.series import SIDES, Bars, FloatArray, IntArray, Outputs

COINS = ("BTC", "ETH", "SOL", "XRP")
FAMILY = ("turnover", "open_interest", "taker_tilt", "volume_profile")
REPLACED: Mapping[str, Any] = {
    "weights": (0.20, 0.20, 0.30, 0.11, 0.04, 0.025, 0.015, 0.005, 0.005),
    "half_lives_days": (60.0, 60.0, 30.0, 14.0, 6.0, 5.0, 1.0, 0.75, 0.5),
}
"""The priors before: the higher the tier, the far smaller its share."""

DISTANCES = (0.02, 0.05, 0.10, 0.20)
WALLET_RANGE = 0.28
"""Leading wallets are recorded within 30 % of price, in bins of 1.2 % [ratio]."""

SNAPSHOT = "2026-04-05T14:00"
"""End of the last whole hour before all accounts were read."""

WARM_UP_HOURS = 168


def estimators() -> Iterator[tuple[str, EstimatorParameters]]:
    """Yield each estimator with the priors that it had before, then with those that ship."""
    for name in FAMILY:
        shipped = ESTIMATORS[name]
        yield f"{name}, replaced", dataclasses.replace(shipped, **REPLACED)
        yield name, shipped


def bars_of(hours: HourlyBars) -> Bars:
    """Return hours as bars, holes in open interest filled."""
    filled, _ = impute_open_interest(hours.open_interest, hours.volume)
    return to_model_bars(hours, hours.volume, filled)


def read_binance(recorded: Path, coin: str) -> HourlyBars:
    """Return a coin's hours on Binance from the first that has open interest in 2026."""
    hours = read_binance_bars(recorded, coin)
    is_late = (hours.bar_end > microseconds("2026-02-01")) & np.isfinite(hours.open_interest)
    return hours.part(slice(int(np.argmax(is_late)), None))


def microseconds(instant: str) -> int:
    """Return an instant [microseconds since 1970, UTC]."""
    return int(np.datetime64(instant, "us").astype(np.int64))


def log_distances(distances: tuple[float, ...]) -> FloatArray:
    """Return distances as |ln(price / close)|, the same above and below price."""
    return np.log1p(distances)


def measured_shares(recorded: Path) -> FloatArray:
    """Return shares of all accounts' positions within `DISTANCES`, shape (2, n_distances).

    Of all that have a liquidation price; those beyond the recorded prices lie at their ends.
    """
    (path,) = (recorded / "providers/hyperliquid_positions").glob("all_accounts_BTC_*.json")
    body = json.loads(path.read_text())
    reach = log_distances(DISTANCES)
    shares = []
    for side in SIDES:
        levels = body[f"{side}_distribution"]
        distance = np.abs(np.log(np.array(list(levels), np.float64) / body["reference_price"]))
        usd = np.array(list(levels.values()))
        shares.append([usd[distance <= each].sum() / usd.sum() for each in reach])
    return np.array(shares)


def near_base(outputs: Outputs, emit: int, distances: tuple[float, ...]) -> FloatArray:
    """Return what a map holds within distances of its close, shape (2, n) [units of the asset]."""
    bins = outputs.first_bin[emit] + np.arange(outputs.n_bins[emit])
    low, high = np.log(bin_edges(bins)) - np.log(outputs.close[emit])
    usd = outputs.liquidation_usd[emit, :, : len(bins)].astype(np.float64)
    base = usd / (outputs.close[emit] * np.exp((low + high) / 2.0))
    nearest, farthest = np.maximum(np.maximum(low, -high), 0.0), np.maximum(high, -low)
    inside = (log_distances(distances)[:, None] - nearest) / (farthest - nearest)
    near: FloatArray = base @ np.clip(inside, 0.0, 1.0).T
    return near


def standing_shares(outputs: Outputs, emit: int = -1) -> tuple[FloatArray, FloatArray]:
    """Return shares within `DISTANCES` of open interest, and of what has a liquidation price."""
    near = near_base(outputs, emit, DISTANCES)
    in_tiers = (outputs.in_range_base + outputs.beyond_base)[emit].sum(axis=1, keepdims=True)
    return near / (in_tiers + outputs.unlevered_base[emit][:, None]), near / in_tiers


def mean_log_error(shares: FloatArray, measured: FloatArray) -> float:
    """Return the mean of |ln(share / measured)| over what was measured above 0."""
    is_known = measured > 0.0
    return float(np.abs(np.log(shares[is_known] / measured[is_known])).mean())


def score_flows(outputs: Outputs, realised: FloatArray) -> tuple[float, float, float]:
    """Return predicted / realised, deviance removed once scaled by it, and the share in excess.

    Parameters
    ----------
    outputs : Outputs
        One entry per span; the first is left out.
    realised : ndarray of float64, shape (n_spans, 2)
        Liquidations of each span [USD].
    """
    predicted = (outputs.consumed_usd + outputs.swept_usd).sum(axis=2)[1:]
    quantity = (outputs.consumed_quantity + outputs.swept_quantity)[1:].sum()
    realised = realised[1:]
    ratio = float(predicted.sum() / realised.sum())
    scaled = np.maximum(predicted / ratio, 1e-3 * realised.mean())
    mean = np.full_like(realised, realised.mean())
    left = poisson_deviance(realised, scaled).sum() / poisson_deviance(realised, mean).sum()
    return ratio, 1.0 - left, float(outputs.excess_quantity[1:].sum() / quantity)


def print_standing(recorded: Path, hours: HourlyBars) -> None:
    """Print shares near price against all accounts, and the factor of each."""
    measured = measured_shares(recorded)
    bars = bars_of(hours.part(hours.bar_end <= microseconds(SNAPSHOT)))
    names = "".join(f"{f'{each:.0%}':>14}" for each in DISTANCES)
    print(f"within{'':<36}{names}   mean |ln|: of open interest, of what has a price")
    for side, known in zip(SIDES, measured, strict=True):
        print(f"{'measured':<36}{side:<6}" + "".join(f"{each:>14.3f}" for each in known))
    for label, parameters in estimators():
        _, outputs = run(parameters, bars, [len(bars) - 1], brackets=default_brackets("BTC"))
        shares, of_levered = standing_shares(outputs)
        errors = mean_log_error(shares, measured), mean_log_error(of_levered, measured)
        for side, own, known in zip(SIDES, shares, measured, strict=True):
            pairs = zip(own, known, strict=True)
            cells = "".join(f"{f'{share:.3f} x{share / at:.2f}':>14}" for share, at in pairs)
            last = "   {:.2f}, {:.2f}".format(*errors) if side == "short" else ""
            print(f"{label:<36}{side:<6}{cells}{last}")


def read_wallets(recorded: Path, coin: str) -> tuple[IntArray, FloatArray]:
    """Return leading wallets' positions by distance, from the fourth day on.

    Returns
    -------
    hour : ndarray of int64, shape (n,)
        Start of each snapshot's hour [microseconds since 1970, UTC].
    usd : ndarray of float64, shape (n, 2, n_distances + 1)
        Within `DISTANCES`, and within `WALLET_RANGE` [USD].
    """
    (path,) = (recorded / "providers/hyperliquid_positions").glob("top_wallets_*.jsonl")
    reach = log_distances((*DISTANCES, WALLET_RANGE))
    starts: list[int] = []
    rows: list[list[list[float]]] = []
    for snapshot in map(json.loads, path.read_text().splitlines()):
        at = microseconds(snapshot["committed_at"][:19])
        if at < microseconds("2026-02-17"):
            continue
        own = snapshot["data"][coin]
        starts.append(at // HOUR * HOUR)
        rows.append([])
        for side in SIDES:
            levels = own[f"{side}Liquidations"]
            usd = np.array([each["value"] for each in levels])
            price = np.array([each["price"] for each in levels])
            distance = np.abs(np.log(price / own["currentPrice"]))
            rows[-1].append([float(usd[distance <= each].sum()) for each in reach])
    return np.array(starts), np.array(rows)


def print_wallets(recorded: Path) -> None:
    """Print shares near price against leading wallets, means over snapshots."""
    print(f"\nof what lies within {WALLET_RANGE:.0%}: longs, shorts; mean |ln|")
    distances = (*DISTANCES, WALLET_RANGE)
    for coin in ("BTC", "ETH"):
        hours = read_binance(recorded, coin)
        bars = bars_of(hours)
        starts, usd = read_wallets(recorded, coin)
        emits = np.searchsorted(hours.bar_end, starts, side="right") - 1
        total = usd.sum(axis=0)
        measured = total[:, :-1] / total[:, -1:]
        print(f"{coin} {'measured':<36}" + " ".join(f"{each:.3f}" for each in measured.ravel()))
        for label, parameters in estimators():
            _, outputs = run(parameters, bars, emits, brackets=default_brackets(coin))
            near = np.mean([near_base(outputs, at, distances) for at in range(len(emits))], axis=0)
            shares = near[:, :-1] / near[:, -1:]
            cells = " ".join(f"{each:.3f}" for each in shares.ravel())
            print(f"{coin} {label:<36}{cells}   {mean_log_error(shares, measured):.2f}")


def print_flows(recorded: Path, hours: HourlyBars) -> None:
    """Print predicted against realised liquidations."""
    print("\npredicted / realised, deviance removed with one factor, share beyond what can close")
    spans = [("BTC", "1h", hours)]
    spans += [(coin, "4h", read_bybit_bars(recorded, coin)) for coin in COINS]
    for coin, span, own in spans:
        ends, realised, _ = read_realised(recorded, coin, span)
        is_known = (ends > own.bar_end[WARM_UP_HOURS]) & (ends <= own.bar_end[-1])
        ends, realised = ends[is_known], realised[is_known]
        emits = np.searchsorted(own.bar_end, ends, side="right") - 1
        # What comes before the first span is in its counters, so it is not scored.
        bars, brackets = bars_of(own), default_brackets(coin, 1e9)
        for label, parameters in estimators():
            if parameters.model != "density":
                continue
            _, outputs = run(parameters, bars, emits, brackets=brackets)
            cells = "{:>8.2f} {:>7.3f} {:>7.3f}".format(*score_flows(outputs, realised))
            print(f"{coin} {span} {label:<36}{cells}")


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="folder of recorded data")
    recorded = parser.parse_args().recorded
    hours = read_binance(recorded, "BTC")
    print_standing(recorded, hours)
    print_wallets(recorded)
    print_flows(recorded, hours)


if __name__ == "__main__":
    main()
