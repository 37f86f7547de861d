"""Rows of what the models of a reference path give: exposure, maps, checkpoints, assumptions.

Belongs here: shaping. Does not belong here: modelling (``path_replay``).
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from jobs.build.hourly_maps import (
    ALL_VENUES,
    HourlyMaps,
    MapIdentity,
    heatmap_rows,
    nullable,
    repeat_sides,
)
from jobs.build.path_records import CAPTURE_HOURS, AssetPath, PathModel, PathStretch
from jobs.grouping import run_slices
from jobs.instants import to_instant
from transforms.ledger import LEDGERS, LedgerParameters
from transforms.ledger.ledger_fit import LedgerFit, scale_fit
from transforms.parameter_list import parameter_rows
from transforms.path_only import HOURLY_VOLUME, OPEN_INTEREST, PATH_ONLY
from transforms.series import BoolArray, IntArray
from warehouse.contracts import stored_rows

EXPECTED_REALISED = "expected_realised"
"""Semantics of maps of the ledgers: what would be liquidated and published if price went there."""

PATH_INSTRUMENT = ""
"""Instrument of checkpoints of a path, which follows one contract after the other."""


def path_exposure_rows(path: AssetPath, stretch: PathStretch, run_id: str) -> pa.Table:
    """Return rows of derived.path_exposure, one a side, of the hours that have a bar."""
    has_bar, expected = stretch.has_bar, stretch.expected
    hours, exposure = stretch.hours[has_bar], stretch.exposure[has_bar]
    n_rows = 2 * len(hours)
    unknown = np.full((len(hours), 2), np.nan)
    usd = [unknown] * 3
    capture, capture_hours = unknown[:, 0], np.zeros(len(hours), dtype=np.int64)
    if expected is not None:
        usd = [expected.map_usd, expected.move_usd, expected.constant_usd]
        usd = [column[has_bar] for column in usd]
        capture, capture_hours = expected.capture[has_bar], expected.capture_hours[has_bar]
    contract = pa.array(np.repeat(stretch.contract[has_bar], 2))
    return stored_rows(
        "derived.path_exposure",
        {
            "asset": path.asset,
            "as_of": np.repeat(hours, 2),
            "provider": stretch.model.provider,
            "side": repeat_sides(len(hours)),
            "exposure": pa.ListArray.from_arrays(
                np.arange(n_rows + 1, dtype=np.int32) * exposure.shape[2],
                pa.array(exposure.ravel()),
            ),
            "move_log": stretch.move[has_bar].ravel(),
            "log_age": nullable(stretch.log_age[has_bar]),
            "map_usd": nullable(usd[0]),
            "move_usd": nullable(usd[1]),
            "constant_usd": nullable(usd[2]),
            "capture_ratio": nullable(np.repeat(capture, 2)),
            "capture_hour_count": np.repeat(capture_hours, 2).astype(np.int32),
            "reference_venue": _texts([key.venue for key in stretch.contracts]).take(contract),
            "reference_instrument": _texts([key.instrument for key in stretch.contracts]).take(
                contract
            ),
            "path_from_at": path.first_bar_start,
            "params_hash": _texts(_hashes(stretch)).take(pa.array(_fit_of(stretch, has_bar))),
            "run_id": run_id,
        },
    )


def _texts(words: list[str]) -> pa.Array:
    return pa.array(words, pa.string())


def _hashes(stretch: PathStretch) -> list[str]:
    """Return the hash of each fit, then that of the structure, which is that of no fit."""
    fits = () if stretch.expected is None else stretch.expected.fits
    return [*(fit.params_hash for fit in fits), stretch.model.structure_hash]


def _fit_of(stretch: PathStretch, has_bar: BoolArray) -> IntArray:
    """Return the index in ``_hashes`` of each hour with a bar, both sides."""
    expected = stretch.expected
    if expected is None:
        return np.zeros(2 * int(has_bar.sum()), dtype=np.int64)
    fit = np.where(expected.fit < 0, len(expected.fits), expected.fit)
    return np.repeat(fit[has_bar], 2)


def path_map_rows(path: AssetPath, stretch: PathStretch, run_id: str) -> Iterator[pa.Table]:
    """Yield rows of derived.heatmap of a ledger, fit by fit; none where no fit is in force.

    Maps are multiplied by the capture in force; by 1 where it is not known.
    """
    expected = stretch.expected
    if expected is None:
        return
    factor = np.where(np.isnan(expected.capture), 1.0, expected.capture)
    for hours in run_slices(expected.fit):
        number = int(expected.fit[hours.start])
        if number < 0:
            continue
        identity = MapIdentity(
            path.asset,
            stretch.model.provider,
            ALL_VENUES,
            expected.fits[number].params_hash,
            run_id,
            semantics=EXPECTED_REALISED,
        )
        maps = expected.map[hours] * factor[hours, np.newaxis, np.newaxis]
        yield heatmap_rows(
            identity,
            HourlyMaps(
                stretch.hours[hours],
                expected.close[hours],
                expected.first_bin[hours],
                maps,
                quantiles_usd=None
                if expected.quantiles_usd is None
                else expected.quantiles_usd[hours],
            ),
        )


def path_checkpoint_rows(path: AssetPath, stretch: PathStretch, run_id: str) -> pa.Table:
    """Return rows of derived.model_checkpoint."""
    kept = stretch.checkpoints
    last_bar_end = np.array([each.last_bar_end for each in kept], dtype=np.int64)
    return stored_rows(
        "derived.model_checkpoint",
        {
            "asset": path.asset,
            "checkpoint_at": np.array([each.at for each in kept], dtype=np.int64),
            "provider": stretch.model.provider,
            "venue": ALL_VENUES,
            "instrument": PATH_INSTRUMENT,
            "first_bar_at": path.first_bar_start,
            "last_bar_end_at": last_bar_end,
            "observed_bar_end_at": last_bar_end,
            "state": pa.array([each.to_bytes() for each in kept], pa.binary()),
            "params_hash": stretch.model.structure_hash,
            "run_id": run_id,
        },
    )


def path_assumptions(
    models: Iterable[PathModel], fits: Iterable[LedgerFit]
) -> dict[str, list[list[str]]]:
    """Return rows of derived.estimator_parameter by hash: structures, and fits with theirs.

    Examples
    --------
    >>> from jobs.build.path_records import PATH_MODELS
    >>> (rows,) = path_assumptions(PATH_MODELS[:1], []).values()
    >>> rows[0][1:4]
    ['path_ledger', 'model', 'ledger']
    """
    found: dict[str, list[list[str]]] = {}
    for model in models:
        rows = _path_only_rows() if model.ledger is None else _structure_rows(model.ledger)
        found[model.structure_hash] = [[model.structure_hash, model.provider, *row] for row in rows]
    for fit in fits:
        rows = [*_structure_rows(LEDGERS[fit.provider]), *_fit_rows(fit)]
        found[fit.params_hash] = [[fit.params_hash, fit.provider, *row] for row in rows]
    return found


def _structure_rows(ledger: LedgerParameters) -> list[tuple[str, str, str, str]]:
    """Return name, value, unit and reason of what a ledger is made of."""
    deposit = {
        "path": ("1 an hour", "the path of price alone"),
        "volume": ("USD traded by log range of the hour", "what trades may later be liquidated"),
    }[ledger.deposit]
    return [
        ("model", "ledger", "name", "fitted to published liquidations; it keeps no books"),
        ("deposit", deposit[0], "name", deposit[1]),
        ("distances", _listed(ledger.distances), "log price", "from 200x to 2x leverage"),
        ("half_lives", _listed(ledger.half_lives_days), "days", "how long positions stay"),
        ("entry_weights", _listed(ledger.entry_weights), "ratio", "open, high, low, close"),
        ("range_floor", f"{ledger.range_floor:g}", "log price", "an hour without range has one"),
        (
            "path",
            "hourly bars of one contract",
            "name",
            "the linear one with most USD volume on the day before, known when the day begins",
        ),
        (
            "capture",
            f"{CAPTURE_HOURS}",
            "hours before",
            "published over expected USD: venues throttle feeds, traders change; 1 where unknown",
        ),
    ]


def _fit_rows(fit: LedgerFit) -> list[tuple[str, str, str, str]]:
    """Return name, value, unit and reason of a fit.

    A fit that is scaled to the volume of each asset is given for a volume of 1 USD, so that equal
    hashes have equal rows.
    """
    is_scaled = fit.is_pooled or fit.is_shipped
    if is_scaled:
        fit = scale_fit(fit, 1.0, LEDGERS[fit.provider].deposit)
    span = f"{to_instant(fit.fitted_from):%Y-%m-%d} to {to_instant(fit.fitted_until):%Y-%m-%d}"
    origin = "shipped with the release" if fit.is_shipped else "fitted on this home's hours"
    pooled = "several assets of this size" if fit.is_pooled else "the asset's own hours"
    return [
        ("fitted_on", fit.source, "name", f"{origin}: {pooled}"),
        ("fitted_span", span, "days UTC", "shorter than 90 days" if fit.is_short_fit else "long"),
        ("fitted_hours", f"{fit.hour_count}", "hours", "hours with published liquidations"),
        (
            "scaled_to_volume",
            f"{is_scaled}".lower(),
            "flag",
            "where true, what follows is for 1 USD an hour on the most traded contract",
        ),
        ("row_weights", _listed(fit.weights.tolist()), "USD by deposit", "fitted, distance outer"),
        ("move_weight", f"{fit.move_weight:g}", "USD by squared log", "fitted; on no level"),
        ("constant", f"{fit.constant:g}", "USD an hour", "fitted; on no level"),
    ]


def _path_only_rows() -> list[tuple[str, str, str, str]]:
    """Return name, value, unit and reason of what ``path_only`` assumes."""
    rows = [
        (
            row.parameter_name + (f"[{row.leverage:g}x]" if row.leverage is not None else ""),
            row.value,
            row.unit,
            row.reason,
        )
        for row in parameter_rows(PATH_ONLY)
    ]
    constant = "held constant, so that nothing but the path of price is known"
    return [
        *rows,
        ("open_interest", f"{OPEN_INTEREST:g}", "units of the asset", constant),
        ("hourly_volume", f"{HOURLY_VOLUME:g}", "of open interest", constant),
    ]


def _listed(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
