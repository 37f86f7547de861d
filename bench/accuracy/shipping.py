"""Fits of the ledgers on everything recorded, for homes without realised liquidations of their own.

Belongs here: the pool of assets, its fit, how well it carries over to an asset left out, and the
file that ``transforms.ledger.shipped`` reads. Does not belong here: skill out of sample in time
(``protocol``).

**One scale.** What is realised, moves and constant are divided by the asset's volume: USD traded in
a mean hour on its most traded linear contract (Binance here; where only Bybit's bars are recorded,
its volume times the ratio of both over the hours that both have). Deposits of ``volume_ledger`` are
divided by it too, those of ``path_ledger`` are not. So parameters are free of an asset's size:
``scale_fit`` multiplies them by the volume of the asset they are used for.

**One length.** BTC is recorded by hours, four coins by spans of 4 h. Exposures, squared moves and
the constant of a span are the sums of those of its hours, so both fit the same hourly parameters. A
span of 4 h counts as four rows with a quarter of everything, which leaves its likelihood as it is.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.accuracy.panels import Recording, find_recording, make_panel
from bench.accuracy.recorded import HOUR, read_binance_bars, read_bybit_bars
from transforms.calibration.capture import trailing_capture
from transforms.calibration.draws import pack_draws
from transforms.calibration.few_blocks import spread_rows
from transforms.calibration.poisson import (
    BlockDraws,
    PoissonFit,
    fit_poisson,
    poisson_deviance,
    predict,
    time_blocks,
)
from transforms.ledger import LEDGERS
from transforms.ledger.ledger_fit import LedgerFit, size_of
from transforms.series import FloatArray, IntArray
from transforms.skill.nulls import move_term

HOURLY_ASSETS: Final = ("BTC",)
FOUR_HOUR_ASSETS: Final = ("BTC", "ETH", "SOL", "XRP")

N_DRAWS: Final = 200

LEAST_OVERLAP_HOURS: Final = 720
"""Hours that two venues share before their volumes are compared [h]."""


@dataclass(frozen=True, slots=True, eq=False)
class PoolRows:
    """Realised figures and exposures of one recording, in rows of an hour, free of its size.

    Parameters
    ----------
    asset : str
        For example ``ETH``.
    span_hours : int
        Length of the spans that were recorded [h].
    volume_usd : float
        USD traded in a mean hour on the most traded contract.
    span_end : ndarray of int64, shape (n,)
        End of the span [microseconds since 1970, UTC].
    realised : ndarray of float64, shape (n, 2)
        Realised USD of an hour over ``volume_usd`` [ratio].
    move : ndarray of float64, shape (n, 2)
        Root of the mean squared adverse move of its hours [ln].
    exposures : mapping of str to ndarray of float64, shape (n, 2, n_rows)
        Mean exposure of an hour, by ledger.
    scope : str
        Venues that ``realised`` covers.
    """

    asset: str
    span_hours: int
    volume_usd: float
    span_end: IntArray
    realised: FloatArray
    move: FloatArray
    exposures: dict[str, FloatArray]
    scope: str


def read_pool(data: Path) -> list[PoolRows]:
    """Return the rows of every recording in a folder."""
    wanted = [(asset, 1) for asset in HOURLY_ASSETS] + [(asset, 4) for asset in FOUR_HOUR_ASSETS]
    recordings = [find_recording(data, asset, hours) for asset, hours in wanted]
    return [_rows_of(data, one) for one in recordings if one is not None]


def _rows_of(data: Path, recording: Recording) -> PoolRows:
    """Return the rows of one recording."""
    bars, hours = recording.bars, recording.span_hours
    spans = make_panel(recording, ())
    hourly = make_panel(
        replace(
            recording,
            span_hours=1,
            span_end=bars.bar_end,
            realised_usd=np.ones((len(bars), 2)),
        ),
        tuple(LEDGERS),
    )
    spans = spans.part(spans.has_figure)
    last = np.searchsorted(hourly.span_end, spans.span_end)
    own = last[:, None] - np.arange(hours)
    traded = float(hourly.volume_usd[own].mean())
    volume_usd = traded * (1.0 if hours == 1 else _binance_over_bybit(data, recording.asset))
    exposures = {name: hourly.exposures[name][own].mean(axis=1) for name in LEDGERS}
    exposures["volume_ledger"] /= traded
    return PoolRows(
        asset=recording.asset,
        span_hours=hours,
        volume_usd=volume_usd,
        span_end=spans.span_end,
        realised=spans.realised_usd / hours / volume_usd,
        move=np.sqrt((move_term(hourly)[own] ** 2).mean(axis=1)),
        exposures=exposures,
        scope=recording.scope,
    )


def _binance_over_bybit(data: Path, asset: str) -> float:
    """Return the ratio of USD traded on both venues over the hours that both have."""
    try:
        here, there = read_binance_bars(data, asset), read_bybit_bars(data, asset)
    except FileNotFoundError:
        return 1.0
    here = here.part(here.source < 3)
    own, other = np.intersect1d(here.bar_end, there.bar_end, return_indices=True)[1:]
    if len(own) < LEAST_OVERLAP_HOURS:
        return 1.0
    return float((here.volume * here.close)[own].sum() / (there.volume * there.close)[other].sum())


def fit_pool(rows: Sequence[PoolRows], ledger: str, n_draws: int = 0) -> PoissonFit:
    """Return the fit of one ledger to the rows of some recordings."""
    columns, realised, move, span_end = (
        np.concatenate([np.repeat(of_one, one.span_hours, axis=0) for of_one, one in pairs])
        for pairs in (
            [(one.exposures[ledger], one) for one in rows],
            [(one.realised, one) for one in rows],
            [(one.move, one) for one in rows],
            [(one.span_end, one) for one in rows],
        )
    )
    draws = None
    if n_draws:
        draws = BlockDraws(time_blocks(span_end), np.random.default_rng(1), n_draws)
    return fit_poisson(columns, realised, move, block_draws=draws)


@dataclass(frozen=True, slots=True)
class Transfer:
    """How a pool predicts an asset it was not fitted on.

    Parameters
    ----------
    asset : str
    span_hours : int
        Length of the spans [h].
    ledger : str
    ratio : float
        Predicted / realised before capture [ratio].
    d2, captured_d2, own_d2 : float
        Deviance removed from the asset's own mean, without capture, with that of the week before,
        and of the fit of the asset on itself with that capture [1]. The last is in sample.
    """

    asset: str
    span_hours: int
    ledger: str
    ratio: float
    d2: float
    captured_d2: float
    own_d2: float


def transfers(rows: Sequence[PoolRows]) -> list[Transfer]:
    """Return how the pool of the other assets predicts each, by ledger."""
    found = []
    for one in rows:
        others = [other for other in rows if other.asset != one.asset]
        if not others:
            continue
        for ledger in LEDGERS:
            pool, own = fit_pool(others, ledger), fit_pool([one], ledger)
            predicted, fitted = (
                predict(fit, one.exposures[ledger], one.move) for fit in (pool, own)
            )
            found.append(
                Transfer(
                    asset=one.asset,
                    span_hours=one.span_hours,
                    ledger=ledger,
                    ratio=float(predicted.sum() / one.realised.sum()),
                    d2=_d2(one, predicted),
                    captured_d2=_d2(one, _captured(one, predicted)),
                    own_d2=_d2(one, _captured(one, fitted)),
                )
            )
    return found


def _d2(rows: PoolRows, predicted: FloatArray) -> float:
    """Return the deviance removed from that of the asset's mean."""
    mean = np.full_like(predicted, rows.realised.mean())
    left, whole = (poisson_deviance(rows.realised, one).sum() for one in (predicted, mean))
    return float(1.0 - left / whole)


def _captured(rows: PoolRows, predicted: FloatArray) -> FloatArray:
    """Return predictions times the capture of the week before, 1 where it is not known."""
    capture = trailing_capture(
        rows.realised, predicted, 168, 24 // rows.span_hours, span_end=rows.span_end
    )
    captured: FloatArray = predicted * np.where(np.isfinite(capture), capture, 1.0)[:, None]
    return captured


def make_fits(rows: Sequence[PoolRows]) -> dict[str, LedgerFit]:
    """Return the fits that ship, by ``provider:size``: one pool for each size recorded."""
    fits = {}
    for size in ("large", "middle", "small"):
        own = [one for one in rows if size_of(one.volume_usd) == size]
        for provider, ledger in LEDGERS.items() if own else ():
            fit = fit_pool(own, provider, N_DRAWS)
            if not fit.status.has_figures:
                continue
            first = min(int(one.span_end[0]) - one.span_hours * HOUR for one in own)
            last = max(int(one.span_end[-1]) for one in own)
            fits[f"{provider}:{size}"] = LedgerFit(
                provider=provider,
                structure_hash=ledger.structure_hash,
                source=size,
                weights=fit.weights,
                move_weight=fit.move_weight,
                constant=fit.constant,
                floor=fit.floor,
                log_sd=fit.log_sd,
                volume_usd=1.0,
                fitted_from=first,
                fitted_until=last,
                valid_from=0,
                hour_count=sum(len(one.span_end) * one.span_hours for one in own),
                is_pooled=True,
                is_shipped=True,
                draws=spread_rows(fit, np.random.default_rng(2)),
            )
    return fits


def write_shipped(fits: Mapping[str, LedgerFit], rows: Sequence[PoolRows], path: Path) -> None:
    """Write the fits into the file that ``transforms.ledger.shipped`` reads."""
    held = {"fitted_on": _fitted_on(rows), "fits": [_record_of(fit) for fit in fits.values()]}
    path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def _record_of(fit: LedgerFit) -> dict[str, object]:
    """Return what ships of a fit: figures to five digits, draws packed beside those figures."""
    weights, log_sd = _rounded(fit.weights), _rounded(fit.log_sd)
    move_weight, constant, floor = _rounded((fit.move_weight, fit.constant, fit.floor))
    return {
        "provider": fit.provider,
        "structure_hash": fit.structure_hash,
        "source": fit.source,
        "weights": weights,
        "move_weight": move_weight,
        "constant": constant,
        "floor": floor,
        "log_sd": log_sd,
        "fitted_from": fit.fitted_from,
        "fitted_until": fit.fitted_until,
        "hour_count": fit.hour_count,
        "draws": pack_draws(fit.draws, np.array([*weights, move_weight, constant])),
    }


def _rounded(values: Iterable[float]) -> list[float]:
    """Return figures with the digits that ship."""
    return [float(f"{one:.5g}") for one in values]


def _fitted_on(rows: Sequence[PoolRows]) -> list[str]:
    """Return what was fitted, a line for each recording."""
    lines = []
    for one in rows:
        first, last = (
            np.datetime64(int(end), "us").astype("datetime64[D]") for end in one.span_end[[0, -1]]
        )
        lines.append(
            f"{one.asset}, {first} to {last}, {len(one.span_end):,} spans of "
            f"{one.span_hours} h, {one.scope}"
        )
    return lines
