"""Which fit of a ledger holds in which hours: the home's own, else one shipped with the release.

Belongs here: reading fits. Does not belong here: making them (``jobs.calibrate.fit_models``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from duckdb import DuckDBPyConnection

from jobs.instants import DAY, to_microseconds
from transforms.ledger.ledger_fit import SIZES, LedgerFit, scale_fit, size_of
from transforms.ledger.parameter_sets import LEDGERS, LedgerParameters
from transforms.ledger.shipped import SHIPPED
from transforms.series import Float32Array
from warehouse.connect import scalar
from warehouse.queries import named_query


@dataclass(frozen=True, slots=True)
class FitsInForce:
    """The fits of one ledger for one asset over some hours.

    Parameters
    ----------
    asset, provider : str
        Whose maps, by which ledger.
    fits : tuple of LedgerFit
        In order of ``valid_from``; each holds for maps of later instants until the next one's.
    reason : str
        Why there is none, or why it is not the asset's own; else empty.
    """

    asset: str
    provider: str
    fits: tuple[LedgerFit, ...]
    reason: str = ""

    def at(self, instant: int) -> LedgerFit | None:
        """Return the fit for maps of an instant [microseconds]; None where there is none."""
        return next((fit for fit in reversed(self.fits) if fit.valid_from < instant), None)


def fits_in_force(
    connection: DuckDBPyConnection, assets: Sequence[str], start: datetime, end: datetime
) -> dict[tuple[str, str], FitsInForce]:
    """Return the fits that hold for maps of ``start < as_of <= end``, by (asset, provider).

    A fit of the asset is used for maps later than its ``valid_from``. Before the first of them, a
    shipped one is used, in proportion to the volume of the week before each day.

    Parameters
    ----------
    connection : DuckDBPyConnection
        The writer's.
    assets : sequence of str
        Whose maps.
    start, end : datetime
        The hours, UTC.

    Returns
    -------
    dict
        Has every asset with every ledger of ``LEDGERS``.
    """
    stored = _stored_fits(connection, assets, end)
    first = to_microseconds(start)
    lacking = [
        asset
        for asset in assets
        if any(
            not own or own[0].valid_from > first
            for own in (stored.get((asset, name), []) for name in LEDGERS)
        )
    ]
    volumes = _hourly_volumes(connection, lacking, start, end) if SHIPPED else {}
    found = {}
    for asset in assets:
        for name, parameters in LEDGERS.items():
            own = stored.get((asset, name), [])
            # Only the last fit before the first hour still holds in it.
            newest = max((fit.valid_from for fit in own if fit.valid_from <= first), default=None)
            kept = [fit for fit in own if newest is None or fit.valid_from >= newest]
            shipped: list[LedgerFit] = []
            reason = ""
            if newest is None:
                shipped, reason = shipped_fits(parameters, volumes.get(asset, {}), SHIPPED)
                until = kept[0].valid_from if kept else None
                shipped = [fit for fit in shipped if until is None or fit.valid_from < until]
            found[asset, name] = FitsInForce(asset, name, (*shipped, *kept), reason)
    return found


def shipped_fits(
    parameters: LedgerParameters,
    volumes: Mapping[int, float],
    shipped: Mapping[str, LedgerFit],
) -> tuple[list[LedgerFit], str]:
    """Return the shipped fit scaled to an asset's volume, and why it is not the asset's own.

    Parameters
    ----------
    parameters : LedgerParameters
        The ledger.
    volumes : mapping of int to float
        By instant [microseconds] from which it holds: USD traded in a mean hour before it on the
        asset's most traded contract.
    shipped : mapping of str to LedgerFit
        Fits by ``provider:size``.
    """
    fits = []
    for at, volume_usd in sorted(volumes.items()):
        fit = _nearest_size(parameters, size_of(volume_usd), shipped)
        if fit is None:
            return [], f"no fit of {parameters.provider} is shipped, and none was made here"
        if volume_usd > 0.0:
            fits.append(replace(scale_fit(fit, volume_usd, parameters.deposit), valid_from=at))
    if not fits:
        return [], "no linear contract of it has traded, so a shipped fit has no scale"
    return fits, f"no fit on its own hours yet: shipped, fitted on {fits[-1].source}"


def _nearest_size(
    parameters: LedgerParameters, size: str, shipped: Mapping[str, LedgerFit]
) -> LedgerFit | None:
    """Return the shipped fit of a size, else of the size nearest to it."""
    own = SIZES.index(size)
    for near in sorted(SIZES, key=lambda other: abs(SIZES.index(other) - own)):
        fit = shipped.get(f"{parameters.provider}:{near}")
        if fit is not None and fit.structure_hash == parameters.structure_hash:
            return fit
    return None


def _midnights(start: datetime, end: datetime, first_bar: datetime | None) -> list[datetime]:
    """Return the midnights from which fits hold for maps of start < as_of <= end."""
    since = start if first_bar is None else max(start, first_bar)
    midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
    count = max(-(-(end - midnight) // DAY), 1)
    return [midnight + number * DAY for number in range(count)]


def _hourly_volumes(
    connection: DuckDBPyConnection, assets: list[str], start: datetime, end: datetime
) -> dict[str, dict[int, float]]:
    """Return USD traded in a mean hour before each midnight, by asset and midnight."""
    volumes: dict[str, dict[int, float]] = {}
    first_bar = scalar(connection, "select min(bar_start_at) from raw.ohlcv")
    rows = connection.execute(
        named_query("hourly_volume"),
        {"assets": assets, "midnights": _midnights(start, end, first_bar)},
    ).fetchall()
    for asset, midnight, volume_usd in rows:
        volumes.setdefault(asset, {})[midnight] = volume_usd
    return volumes


def _stored_fits(
    connection: DuckDBPyConnection, assets: Sequence[str], end: datetime
) -> dict[tuple[str, str], list[LedgerFit]]:
    """Return the fits stored for assets, in order of ``valid_from``, by (asset, provider)."""
    rows = connection.execute(
        named_query("calibrations"),
        {
            "assets": list(assets),
            "structures": [each.structure_hash for each in LEDGERS.values()],
            "end_at": end,
        },
    )
    names = [column[0] for column in rows.description]
    fits: dict[tuple[str, str], list[LedgerFit]] = {}
    for row in rows.fetchall():
        cells = dict(zip(names, row, strict=True))
        fits.setdefault((cells.pop("asset"), cells["provider"]), []).append(
            LedgerFit(
                source=cells.pop("fitted_on"),
                weights=np.array(cells.pop("weights")),
                log_sd=np.array(cells.pop("log_sd")),
                draws=_draws(cells.pop("draws")),
                is_shipped=False,
                **cells,
            )
        )
    return fits


def _draws(by_parameter: list[list[float]] | None) -> Float32Array:
    """Return joint draws, shape (n_draws, n_rows + 2), from one list for each parameter."""
    if not by_parameter:
        return np.empty((0, 0), dtype=np.float32)
    return np.ascontiguousarray(np.array(by_parameter, dtype=np.float32).T)
