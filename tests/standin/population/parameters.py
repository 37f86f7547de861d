"""What a population is made of: how many accounts of which kind, their sizes, leverage and habits.

Belongs here: figures with a unit and a reason. Does not belong here: anything that draws a number.
"""

from dataclasses import dataclass

# Half-lives of positions by leverage [h], as in `sources.simulated`: high leverage is held for
# minutes, low leverage for days. Shares are of accounts.
LEVERAGES = (1, 2, 3, 5, 10, 20, 25, 40, 50)
LEVERAGE_SHARES = (0.05, 0.10, 0.17, 0.20, 0.22, 0.14, 0.05, 0.05, 0.02)
HALF_LIFE_HOURS = (60.0, 60.0, 60.0, 30.0, 14.0, 6.0, 5.0, 2.0, 1.0)


@dataclass(frozen=True, slots=True)
class PopulationParameters:
    """A population of accounts that trade with each other.

    Parameters
    ----------
    accounts : int
        All addresses, those that hold nothing included.
    holding_ratio : float
        Ordinary accounts that hold a position at the start, 0 to 1.
    makers, bots : int
        Market makers, who are on one side of nearly every trade, and programs that trade all the
        time in small sizes; both among `accounts`.
    trades_per_second : float
        Over all coins; what ordinary accounts do not trade, bots do.
    median_usd, log_deviation : float
        Of an ordinary position's notional [USD], log-normal. 2,000 and 2.2 put four positions in a
        hundred above 100,000 USD and a few above ten million.
    cross_ratio : float
        Accounts that margin all their positions together, 0 to 1.
    additions_per_hour : float
        Share of isolated positions whose owner adds margin, and of accounts that deposit or
        withdraw, in an hour: changes that no trade shows.
    builder_coins : int
        Coins of a builder's own exchange (HIP-3, named ``xyz:``) beside the venue's.
    listed_ratio : float
        Accounts that hold something and are on the leaderboard, from the richest down, 0 to 1;
        half of those that hold nothing are on it too. Others are found only by their trades.
    """

    accounts: int = 300
    holding_ratio: float = 0.6
    makers: int = 6
    bots: int = 12
    trades_per_second: float = 3.0
    median_usd: float = 2_000.0
    log_deviation: float = 2.2
    cross_ratio: float = 0.6
    additions_per_hour: float = 0.01
    builder_coins: int = 2
    listed_ratio: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that the kinds leave room for ordinary accounts."""
        if self.accounts < self.makers + self.bots + 10:
            raise ValueError(
                f"{self.accounts} accounts do not hold {self.makers} makers, {self.bots} bots and "
                "ten ordinary ones; raise `accounts`"
            )


def large_population(accounts: int = 50_000, seed: int = 0) -> PopulationParameters:
    """Return the population that benchmarks use: 150 trades a second among 50,000 accounts."""
    return PopulationParameters(
        accounts=accounts,
        makers=120,
        bots=accounts * 3 // 100,
        trades_per_second=150.0 * accounts / 50_000,
        builder_coins=10,
        seed=seed,
    )
