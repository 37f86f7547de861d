"""What a simulated market is made of: venues, assets, their traders, and the moves of prices.

Belongs here: frozen dataclasses with a unit and a reason for each figure, checked when made, and
the market that is shipped. Does not belong here: anything that draws a number.

Levels follow public figures: a venue's daily volume is 2 to 4 times its open interest, and
an hour moves open interest by about .7 % of itself (Binance and Bybit, February 2026). Most
notional is at low leverage (Hyperliquid, December 2025: 36 % at 0-3x, 48 % at 3-7x, 15 %
above).
"""

from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from textwrap import shorten

from sources.errors import InputRejected

CONTRACT_KINDS = ("linear", "inverse")
OPEN_INTEREST_UNITS = ("base", "contracts", "usd")
UNLEVERED = 1.0


def _require(holds: bool, owner: object, name: str, rule: str) -> None:
    """Refuse a parameter that breaks its rule, naming owner, field and value."""
    if not holds:
        label = getattr(owner, "name", type(owner).__name__)
        given = shorten(repr(getattr(owner, name)), 200)
        raise InputRejected(f"simulated market: {label}.{name} is {given}; {rule}")


def _require_positive(owner: object, but: str = "") -> None:
    """Refuse fractional fields that are not finite numbers above zero, one of them excepted."""
    for item in fields(owner):  # type: ignore[arg-type]
        if item.type is float and item.name != but:
            value = getattr(owner, item.name)
            is_positive = isfinite(value) and value > 0
            _require(is_positive, owner, item.name, "give a finite number above 0")


@dataclass(frozen=True, slots=True)
class LeverageTier:
    """Traders of one leverage.

    Parameters
    ----------
    leverage : float
        Entry notional over margin. 1 means paid in full or hedged elsewhere: such a position
        is never liquidated.
    weight_ratio : float
        Share of freshly opened notional, 0 to 1.
    half_life_hours : float
        Time after which half of such positions were closed by their owner, at average activity
        [h]. High leverage is held for minutes, low leverage for days.
    """

    leverage: float
    weight_ratio: float
    half_life_hours: float

    def __post_init__(self) -> None:
        """Check ranges."""
        _require_positive(self)
        _require(self.leverage >= UNLEVERED, self, "leverage", "it cannot be below 1")


def _tiers(weights: dict[float, float]) -> tuple[LeverageTier, ...]:
    """Return tiers of the given weights with the common half-lives [h]."""
    half_life_hours = {
        1: 60.0, 2: 60.0, 3: 60.0, 5: 30.0, 10: 14.0, 20: 6.0, 25: 5.0, 50: 1.0, 75: 0.75, 100: 0.5,
    }  # fmt: skip
    return tuple(
        LeverageTier(leverage, weight, half_life_hours[int(leverage)])
        for leverage, weight in weights.items()
    )


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """An invented venue.

    Parameters
    ----------
    name : str
        Name of the venue; starts with ``sim_`` so that it is not taken for a real one.
    contract_kind : {'linear', 'inverse'}
        Margin and profit in USD, or in the asset.
    open_interest_unit : {'base', 'contracts', 'usd'}
        How it reports open interest: base and value in USD, contracts and value in USD, or only
        the value in USD. Venues differ, and normalising must cope.
    leverage_mix : tuple of LeverageTier
        Its traders; weights sum to 1. Tiers above an instrument's maximum trade at the highest
        allowed one.
    open_interest_factor : float
        Open interest relative to ``SimulatedAsset.open_interest_usd``.
    volume_factor : float
        Volume relative to ``SimulatedAsset.daily_volume_ratio``: fee holidays and market makers
        differ between venues, positions less so.
    feed_orders_per_minute : int or None
        Liquidation orders its feed publishes in a minute, the first ones; the rest happens unseen,
        as on venues that publish one order a second. None publishes all.
    """

    name: str
    contract_kind: str
    open_interest_unit: str
    leverage_mix: tuple[LeverageTier, ...]
    open_interest_factor: float = 1.0
    volume_factor: float = 1.0
    feed_orders_per_minute: int | None = None

    def __post_init__(self) -> None:
        """Check names, ranges and that the mix is a whole."""
        _require(
            self.name.startswith("sim_") and self.name.replace("_", "").isalnum(),
            self, "name", "use letters, digits and _ after a leading 'sim_'",
        )  # fmt: skip
        _require(
            self.contract_kind in CONTRACT_KINDS, self, "contract_kind", f"use {CONTRACT_KINDS}"
        )
        _require(
            self.open_interest_unit in OPEN_INTEREST_UNITS,
            self, "open_interest_unit", f"use one of {OPEN_INTEREST_UNITS}",
        )  # fmt: skip
        _require(
            self.contract_kind == "linear" or self.open_interest_unit != "base",
            self, "open_interest_unit", "inverse contracts count USD, not base: use 'usd'",
        )  # fmt: skip
        _require_positive(self)
        limit = self.feed_orders_per_minute
        _require(
            limit is None or limit >= 1, self, "feed_orders_per_minute", "give 1 or more, or None"
        )
        leverages = [tier.leverage for tier in self.leverage_mix]
        _require(
            leverages == sorted(set(leverages))
            and abs(sum(tier.weight_ratio for tier in self.leverage_mix) - 1) < 1e-9,
            self, "leverage_mix", "tiers must rise in leverage and their weights sum to 1",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Whale:
    """One trader large enough to move the open interest of a thin contract by steps.

    Parameters
    ----------
    holding_ratio : float
        Full holding over the open interest of everybody else.
    tranche_count : int
        Equal parts in which the holding is built and sold; each part trades within a minute.
    leverage : float
        Leverage of each part.
    hours_between_moves : float
        Mean time between decisions to hold more or less [h].
    """

    holding_ratio: float = 0.9
    tranche_count: int = 4
    leverage: float = 2.0
    hours_between_moves: float = 8.0

    def __post_init__(self) -> None:
        """Check ranges."""
        _require_positive(self)
        _require(self.leverage > UNLEVERED, self, "leverage", "give a whale a leverage above 1")
        _require(1 <= self.tranche_count <= 100, self, "tranche_count", "give 1 to 100")


@dataclass(frozen=True, slots=True)
class SimulatedAsset:
    """An asset and its contract on every venue.

    Parameters
    ----------
    name : str
        Base coin, or an invented one.
    price_usd : float
        Price around which it wanders [USD].
    daily_volatility_ratio : float
        Standard deviation of a day's log return before jumps and trends.
    market_correlation_ratio : float
        Correlation with the common market move, 0 to 1: crashes come in all assets at once.
    open_interest_usd : float
        Open interest around which a venue of factor 1 moves [USD].
    daily_volume_ratio : float
        Volume of an average day over open interest; most of it passes between the same hands.
    maintenance_margin_ratio : float
        Margin below which a position is liquidated, over its notional.
    max_leverage : float
        Highest leverage allowed.
    tick_size : float
        Step of traded prices [USD].
    contract_size_base : float
        Size of a linear contract and step of trades [base asset].
    contract_size_usd : float
        Size of an inverse contract and step of trades [USD].
    price_noise_bps : float
        Standard deviation of a venue's last price around the index [bps].
    orders_per_minute : float
        Positions opened in an average minute on each side; few and large orders make lumpy books.
    whale : Whale or None
        A whale on each venue, for thin assets.
    """

    name: str
    price_usd: float
    daily_volatility_ratio: float
    market_correlation_ratio: float
    open_interest_usd: float
    daily_volume_ratio: float
    maintenance_margin_ratio: float
    max_leverage: float
    tick_size: float
    contract_size_base: float
    contract_size_usd: float
    price_noise_bps: float
    orders_per_minute: float
    whale: Whale | None = None

    def __post_init__(self) -> None:
        """Check ranges, and that maximum leverage can be margined."""
        _require_positive(self, but="market_correlation_ratio")
        _require(
            self.name.isalnum() and self.name == self.name.upper(),
            self, "name", "use upper-case letters and digits",
        )  # fmt: skip
        _require(
            0 <= self.market_correlation_ratio <= 1,
            self, "market_correlation_ratio", "give 0 to 1",
        )  # fmt: skip
        _require(
            self.maintenance_margin_ratio * self.max_leverage < 1,
            self, "max_leverage",
            f"a position opens with less than the maintenance margin of "
            f"{self.maintenance_margin_ratio}; lower one of them",
        )  # fmt: skip
        _require(self.daily_volatility_ratio <= 0.5, self, "daily_volatility_ratio", "0.5 at most")
        _require(self.orders_per_minute <= 100, self, "orders_per_minute", "100 at most")


@dataclass(frozen=True, slots=True)
class TraderConduct:
    """What accounts and venues do besides isolated positions that are liquidated whole.

    A share of 0 leaves it out; by default all are, so that an estimator that assumes isolated
    positions is tested on a market that has no others.

    Parameters
    ----------
    hedged_ratio : float
        Share of freshly opened orders that are half long, half short in one account, 0 to 1. They
        are open interest that no price liquidates.
    cross_ratio : float
        Share of levered orders whose account margins crosswise, 0 to 1: collateral beyond the
        initial margin backs them, so that they are liquidated farther away than isolated ones.
    cross_free_ratio : float
        Mean of that free collateral over the initial margin, exponentially distributed.
    cross_change_hours : float
        Mean time between changes of the collateral by what else the account holds, at average
        activity [h].
    cross_change_ratio : float
        Standard deviation of such a change over entry notional. With 2 % every 12 h and half of
        the accounts crosswise, a third of the levered positions that last four days have moved
        their liquidation price by 2 % or more; on Hyperliquid 48 % did. Losses elsewhere liquidate
        accounts away from their price.
    margin_call_ratio : float
        Share of positions, 0 to 1, whose owner adds margin each time the mark comes within the
        distance of a margin call.
    margin_call_distance_ratio : float
        That distance, ln(mark / liquidation price): where venues warn, a fraction of the margin of
        10x.
    margin_added_ratio : float
        Margin added at a call over the margin the position has.
    partial_cut_ratio : float
        Part of a large position that one step of liquidation closes, 0 to below 1; what is left
        keeps the margin and gets a new liquidation price. 0 closes all at once. Hyperliquid
        closes a fifth of positions above 100,000 USD; others step down a risk tier.
    partial_above_orders : float
        Size above which a position is large, in mean orders.
    leverage_drift_deviation : float
        Standard deviation of the exponent t by which the mix drifts: fresh positions of leverage L
        get L^t times their weight. .3 is 1.6 times as much 50x against 10x.
    leverage_drift_half_life_days : float
        How long a drift lasts [d]: fashions of leverage turn over weeks.
    """

    hedged_ratio: float = 0.0
    cross_ratio: float = 0.0
    cross_free_ratio: float = 1.0
    cross_change_hours: float = 12.0
    cross_change_ratio: float = 0.02
    margin_call_ratio: float = 0.0
    margin_call_distance_ratio: float = 0.02
    margin_added_ratio: float = 0.5
    partial_cut_ratio: float = 0.0
    partial_above_orders: float = 2.0
    leverage_drift_deviation: float = 0.0
    leverage_drift_half_life_days: float = 20.0

    def __post_init__(self) -> None:
        """Check ranges."""
        for item in fields(self):
            value = getattr(self, item.name)
            _require(isfinite(value) and value >= 0, self, item.name, "give a number of 0 or more")
        for name in ("hedged_ratio", "cross_ratio", "margin_call_ratio"):
            _require(getattr(self, name) <= 1, self, name, "give 0 to 1")
        _require(self.partial_cut_ratio < 1, self, "partial_cut_ratio", "give 0 to below 1")
        for name in ("cross_change_hours", "leverage_drift_half_life_days", "margin_added_ratio"):
            _require(getattr(self, name) > 0, self, name, "give a number above 0")


# Nobody publishes these shares: they are set so that everything happens often enough to matter.
REALISTIC_CONDUCT = TraderConduct(
    hedged_ratio=0.1, cross_ratio=0.5, margin_call_ratio=0.3, partial_cut_ratio=0.2,
    leverage_drift_deviation=0.3,
)  # fmt: skip

VENUES = (
    # Alpha's mix is what estimators commonly take for granted, so there an estimator is tested on
    # its books alone. Beta draws gamblers, gamma is a coin-margined venue of holders: there it is
    # tested on how far its assumed leverage carries.
    SimulatedVenue(
        name="sim_alpha", contract_kind="linear", open_interest_unit="base",
        leverage_mix=_tiers({1: .10, 2: .20, 3: .20, 5: .30, 10: .11, 20: .04, 25: .025,
                             50: .015, 75: .005, 100: .005}),
        open_interest_factor=1.0, volume_factor=1.2,
    ),
    SimulatedVenue(
        name="sim_beta", contract_kind="linear", open_interest_unit="contracts",
        leverage_mix=_tiers({1: .05, 2: .10, 3: .14, 5: .30, 10: .24, 20: .08, 25: .05,
                             50: .02, 75: .01, 100: .01}),
        open_interest_factor=0.6, volume_factor=1.0,
    ),
    SimulatedVenue(
        name="sim_gamma", contract_kind="inverse", open_interest_unit="usd",
        leverage_mix=_tiers({1: .18, 2: .25, 3: .22, 5: .22, 10: .08, 20: .03, 25: .01, 50: .01}),
        open_interest_factor=0.35, volume_factor=0.6,
    ),
)  # fmt: skip

# Beta's feed as on venues that publish one order a second, scaled to its few large orders.
REALISTIC_VENUES = tuple(
    replace(venue, feed_orders_per_minute=2) if venue.name == "sim_beta" else venue
    for venue in VENUES
)

ASSETS = (
    SimulatedAsset(
        name="BTC", price_usd=90_000.0, daily_volatility_ratio=0.022,
        market_correlation_ratio=0.9, open_interest_usd=5.5e9, daily_volume_ratio=3.5,
        maintenance_margin_ratio=0.004, max_leverage=100.0, tick_size=0.1,
        contract_size_base=0.01, contract_size_usd=100.0, price_noise_bps=1.5,
        orders_per_minute=4.0,
    ),
    SimulatedAsset(
        name="ETH", price_usd=3_000.0, daily_volatility_ratio=0.03,
        market_correlation_ratio=0.8, open_interest_usd=3.5e9, daily_volume_ratio=3.8,
        maintenance_margin_ratio=0.005, max_leverage=100.0, tick_size=0.01,
        contract_size_base=0.1, contract_size_usd=10.0, price_noise_bps=2.0,
        orders_per_minute=4.0,
    ),
    SimulatedAsset(
        name="SOL", price_usd=140.0, daily_volatility_ratio=0.036,
        market_correlation_ratio=0.75, open_interest_usd=9.0e8, daily_volume_ratio=3.5,
        maintenance_margin_ratio=0.005, max_leverage=50.0, tick_size=0.01,
        contract_size_base=1.0, contract_size_usd=10.0, price_noise_bps=2.5,
        orders_per_minute=3.0,
    ),
    SimulatedAsset(
        name="DOGE", price_usd=0.15, daily_volatility_ratio=0.042,
        market_correlation_ratio=0.7, open_interest_usd=2.5e8, daily_volume_ratio=4.0,
        maintenance_margin_ratio=0.0065, max_leverage=50.0, tick_size=0.00001,
        contract_size_base=100.0, contract_size_usd=10.0, price_noise_bps=3.0,
        orders_per_minute=3.0,
    ),
    SimulatedAsset(
        name="THIN", price_usd=0.8, daily_volatility_ratio=0.055,
        market_correlation_ratio=0.35, open_interest_usd=2.5e6, daily_volume_ratio=1.5,
        maintenance_margin_ratio=0.02, max_leverage=20.0, tick_size=0.0001,
        contract_size_base=10.0, contract_size_usd=1.0, price_noise_bps=12.0,
        orders_per_minute=0.8, whale=Whale(),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MarketParameters:
    """A simulated market and the span to simulate.

    Parameters
    ----------
    start : datetime
        First bar's open; a whole hour, UTC.
    days : float
        Length of the span [d]; a whole number of hours, so 30 + 1 / 24 is an hour more than 30.
        A longer span has the same rows as a shorter one and then more.
    seed : int
        Source of all randomness; the same seed and parameters give the same market.
    venues : tuple of SimulatedVenue
        Venues; each trades every asset.
    assets : tuple of SimulatedAsset
        Assets.
    warm_up_days : int
        Days simulated before `start` so that books have forgotten how they were filled [d];
        three times the longest half-life or more.
    intraday_variation_ratio : float
        Volume of the busiest hour over the quietest; about 4 on real venues.
    volatility_half_life_hours : float
        How long calm and rough spells last [h].
    volatility_log_deviation : float
        Standard deviation of the logarithm of volatility: how far calm and rough differ.
    trend_half_life_hours : float
        How long trends last [h].
    trend_ratio : float
        Standard deviation of the trend, in daily volatilities a day.
    jumps_per_day : float
        Mean number of jumps a day, in the market and again in each asset alone.
    jump_ratio : float
        Smallest jump, in daily volatilities; jumps are on average twice this, either way.
    price_pull_half_life_days : float
        Time in which half the distance to ``price_usd`` is forgotten [d]: keeps years plausible.
    mark_half_life_minutes : float
        Averaging of the index that makes the mark price smoother than the last price [min].
    appetite_log_deviation : float
        Standard deviation of the logarithm of opening activity around the average, which moves
        open interest from hour to hour.
    conduct : TraderConduct
        Cross margin, hedges, added margin, partial liquidation, drifting leverage.
    """

    start: datetime
    days: float
    seed: int
    venues: tuple[SimulatedVenue, ...] = field(default=VENUES)
    assets: tuple[SimulatedAsset, ...] = field(default=ASSETS)
    warm_up_days: int = 8
    intraday_variation_ratio: float = 4.0
    volatility_half_life_hours: float = 10.0
    volatility_log_deviation: float = 0.4
    trend_half_life_hours: float = 8.0
    trend_ratio: float = 0.5
    jumps_per_day: float = 0.15
    jump_ratio: float = 0.7
    price_pull_half_life_days: float = 60.0
    mark_half_life_minutes: float = 1.5
    appetite_log_deviation: float = 0.6
    conduct: TraderConduct = field(default=TraderConduct())

    def __post_init__(self) -> None:
        """Check the span, ranges and that names are unique."""
        _require(
            self.start.utcoffset() == timedelta(0)
            and self.start == self.start.replace(minute=0, second=0, microsecond=0),
            self, "start", "give a whole hour in UTC, as datetime(2026, 1, 1, tzinfo=UTC)",
        )  # fmt: skip
        _require_positive(self)
        _require(
            abs(self.days * 24 - round(self.days * 24)) < 1e-6 and round(self.days * 24) > 0,
            self, "days", "give a whole number of hours, as 30 or 30 + 1 / 24",
        )  # fmt: skip
        is_whole = isinstance(self.warm_up_days, int) and self.warm_up_days > 0
        _require(is_whole, self, "warm_up_days", "give whole days above 0")
        _require(isinstance(self.seed, int), self, "seed", "give an integer")
        _require(self.intraday_variation_ratio >= 1, self, "intraday_variation_ratio", "1 or more")
        for name in ("venues", "assets"):
            names = [item.name for item in getattr(self, name)]
            _require(
                len(names) == len(set(names)) > 0, self, name, "give at least one, names unique"
            )

    @property
    def hours(self) -> int:
        """Length of the span [h]."""
        return round(self.days * 24)

    @property
    def end(self) -> datetime:
        """Instant at which the last bar ends."""
        return self.start.astimezone(UTC) + timedelta(hours=self.hours)


def realistic_market(start: datetime, days: float, seed: int) -> MarketParameters:
    """Return the market with everything in it that real ones have: conduct, a throttled feed.

    Parameters
    ----------
    start, days, seed
        As in `MarketParameters`.

    Returns
    -------
    MarketParameters
        All else as shipped.
    """
    return MarketParameters(
        start=start, days=days, seed=seed, venues=REALISTIC_VENUES, conduct=REALISTIC_CONDUCT
    )
