"""Accounts of Hyperliquid whose true book is known, trading with each other.

Reading order: `parameters` (how many, of which kind), `book` (who holds what and the venue's rule),
`trading` (what they do), `world` (the population and its clock), `wording` (how the venue spells
it).
"""

from standin.population.parameters import PopulationParameters, large_population
from standin.population.world import Population, TrueBook

__all__ = ["Population", "PopulationParameters", "TrueBook", "large_population"]
