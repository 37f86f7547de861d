"""The instruments of one input: symbols as spelled, resolved once and numbered.

Belongs here: what a symbol resolves to under a mapping. Does not belong here: the rows.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sources.assets import USD_QUOTES, split_asset
from sources.recorded.mapping import Mapping
from sources.recorded.mapping_sections import InstrumentTerms
from sources.recorded.name_patterns import parse_unified, unify_symbol
from sources.venues.declared import VENUES

# Codes of rows without a usable instrument, and why they have none.
UNKNOWN_SYMBOL, UNKNOWN_SIZE, MISSING_SYMBOL, FOREIGN_QUOTE = -1, -2, -3, -4
# An index has no instrument.
NO_SERIES = -5
SYMBOL_FAULTS = {
    MISSING_SYMBOL: "missing",
    UNKNOWN_SYMBOL: "unknown symbol",
    UNKNOWN_SIZE: "unknown contract size: list it under terms",
    FOREIGN_QUOTE: f"not quoted in US dollars or a token pegged to them ({', '.join(USD_QUOTES)})",
}


@dataclass(frozen=True, slots=True)
class ImportedInstrument:
    """One instrument on one venue, with what converts its figures.

    Parameters
    ----------
    venue, instrument, asset, quote : str
        As in the records.
    contract_size : float
        Quoted units (linear) or USD (inverse) of one contract.
    base_multiplier : float
        Asset units per quoted unit.
    funding_interval_hours : float
        Hours between settlements; NaN where not known.
    """

    venue: str
    instrument: str
    asset: str
    quote: str
    contract_size: float
    base_multiplier: float
    funding_interval_hours: float


@dataclass(slots=True)
class InstrumentBook:
    """All instruments of one input, numbered in order of appearance.

    Parameters
    ----------
    mapping : Mapping
        How symbols are spelled, and the terms of instruments.
    instruments : list of ImportedInstrument
        Position is the code.
    foreign : set of str
        Instruments that are not quoted in dollars.
    """

    mapping: Mapping
    instruments: list[ImportedInstrument] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    _codes: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def needs_size(self) -> bool:
        """Return whether the mapping counts anything in contracts."""
        mapping = self.mapping
        units = (
            mapping.ohlcv and mapping.ohlcv.volume_unit,
            mapping.open_interest and mapping.open_interest.amount_unit,
            mapping.realised_liquidation and mapping.realised_liquidation.unit,
        )
        return "contracts" in units

    def code_of(self, venue: str, parts: dict[str, str] | None) -> int:
        """Return the number of the instrument that a venue and the parts of a symbol name.

        Parameters
        ----------
        venue : str
            The venue.
        parts : dict of str to str, or None
            What the placeholders of the symbol's pattern hold; None where it did not fit.

        Returns
        -------
        int
            A position in `instruments`, or a key of ``SYMBOL_FAULTS``.
        """
        rule = self.mapping.instrument
        if parts is None:
            return UNKNOWN_SYMBOL
        spelled = rule.unified
        for placeholder in ("base", "quote"):
            spelled = spelled.replace(f"{{{placeholder}}}", parts.get(placeholder, ""))
        key = (venue, spelled)
        if key not in self._codes:
            self._codes[key] = self._add(venue, spelled)
        return self._codes[key]

    def _add(self, venue: str, spelled: str) -> int:
        rule = self.mapping.instrument
        instrument = unify_symbol(spelled)
        unified = parse_unified(spelled)
        if unified.quote.upper() not in USD_QUOTES:
            self.foreign.add(instrument)
            return FOREIGN_QUOTE
        terms = rule.terms.get(instrument, InstrumentTerms())
        size = terms.contract_size or rule.contract_size
        if size is None and self.needs_size:
            return UNKNOWN_SIZE
        asset, multiplier = split_asset(unified.base, self._prefixes(venue))
        funding = self.mapping.funding_rate
        interval = funding.interval_hours if funding else None
        if terms.has_funding_interval:
            interval = terms.funding_interval_hours
        self.instruments.append(
            ImportedInstrument(
                venue=venue,
                instrument=instrument,
                asset=terms.asset or asset,
                quote=unified.quote.upper(),
                # Without contracts in the file, amounts are counted in position units: size 1.
                contract_size=size or 1.0,
                base_multiplier=terms.base_multiplier or multiplier,
                funding_interval_hours=interval or np.nan,
            )
        )
        return len(self.instruments) - 1

    def _prefixes(self, venue: str) -> tuple[tuple[str, float], ...]:
        """Return the venue's own prefixes, as live ingestion reads them, and the mapping's."""
        declared = VENUES[venue].multiplier_prefixes if venue in VENUES else ()
        return (*declared, *self.mapping.instrument.multiplier_prefixes.items())

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return one numeric field of all instruments, shape (n_instruments,)."""
        return np.array([getattr(one, name) for one in self.instruments], dtype=np.float64)
