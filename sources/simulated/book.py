"""The traders of one contract, advanced by any number of hours at a time.

Belongs here: the figures of a contract and the life of its book. Does not belong here: what happens
within a minute (`sources.simulated.trading`), how it is reported.
"""

from math import exp, floor, log

import numpy as np

from sources.simulated import book_layout as at
from sources.simulated.parameters import MarketParameters, SimulatedAsset, SimulatedVenue
from sources.simulated.positions import (
    ALL_ORDERS,
    LOG_STEP,
    N_BINS,
    N_MOMENTS,
    NOBODY,
    FloatArray,
    IndexArray,
    Ledger,
    Positions,
    SimulatedContract,
)
from sources.simulated.trading import (
    BAR_MINUTES,
    HOUR_MINUTES,
    PUBLISHED_BINS,
    ROOM,
    Measured,
    advance_minutes,
    fill_positions,
    round_to_tick,
)


def make_contract(
    parameters: MarketParameters, venue: SimulatedVenue, asset: SimulatedAsset
) -> SimulatedContract:
    """Return the figures of an asset's contract on a venue.

    Parameters
    ----------
    parameters : MarketParameters
        The market.
    venue : SimulatedVenue
        One of its venues.
    asset : SimulatedAsset
        One of its assets.

    Returns
    -------
    SimulatedContract
        Amounts in lots; a lot is the smallest trade.
    """
    is_inverse = venue.contract_kind == "inverse"
    lot_usd = asset.contract_size_usd if is_inverse else asset.contract_size_base * asset.price_usd
    ordinary_lots = asset.open_interest_usd * venue.open_interest_factor / lot_usd
    leverages = np.array([tier.leverage for tier in venue.leverage_mix])
    weights = np.array([tier.weight_ratio for tier in venue.leverage_mix])
    holding_minutes = np.array([tier.half_life_hours for tier in venue.leverage_mix]) * (
        HOUR_MINUTES / log(2.0)
    )
    standing = weights * holding_minutes
    opened_per_minute = ordinary_lots / standing.sum()
    volume_per_minute = ordinary_lots * asset.daily_volume_ratio * venue.volume_factor / 1440.0
    whale, conduct = asset.whale, parameters.conduct
    mean_order_lots = opened_per_minute / asset.orders_per_minute
    return SimulatedContract(
        is_inverse=is_inverse,
        lot_quantity=asset.contract_size_usd if is_inverse else asset.contract_size_base,
        maintenance_margin_ratio=asset.maintenance_margin_ratio,
        tick_size=asset.tick_size,
        daily_volatility_ratio=asset.daily_volatility_ratio,
        ordinary_lots=ordinary_lots,
        orders_per_minute=asset.orders_per_minute,
        mean_order_lots=mean_order_lots,
        # What opens or closes is volume too: a buy that opens a long meets a sell that closes one.
        churn_lots_per_minute=max(volume_per_minute - 2.0 * opened_per_minute, 0.0),
        price_noise_ratio=asset.price_noise_bps * 1e-4,
        mark_weight=1.0 - 0.5 ** (1.0 / parameters.mark_half_life_minutes),
        appetite_deviation=parameters.appetite_log_deviation,
        tier_leverage=np.minimum(leverages, asset.max_leverage),
        tier_cumulative_weight=np.cumsum(weights),
        tier_holding_minutes=holding_minutes,
        # The higher the leverage, the more hurried: a third of 1x, four fifths of 100x take.
        tier_taker_ratio=0.33 + 0.1 * np.log(leverages),
        tier_standing_weight=np.cumsum(standing / standing.sum()),
        whale_lots=0
        if whale is None
        else max(1, round(ordinary_lots * whale.holding_ratio / whale.tranche_count)),
        whale_leverage=0.0 if whale is None else min(whale.leverage, asset.max_leverage),
        whale_move_probability=0.0
        if whale is None
        else 1.0 / (whale.hours_between_moves * HOUR_MINUTES),
        first_bin=floor(log(asset.price_usd) / (2.0 * LOG_STEP)) - N_BINS // 2,
        hedged_ratio=conduct.hedged_ratio,
        cross_ratio=conduct.cross_ratio,
        cross_free_ratio=conduct.cross_free_ratio,
        cross_change_minutes=conduct.cross_change_hours * HOUR_MINUTES,
        cross_change_ratio=conduct.cross_change_ratio,
        margin_call_ratio=conduct.margin_call_ratio,
        margin_call_distance=conduct.margin_call_distance_ratio,
        margin_added_ratio=conduct.margin_added_ratio,
        partial_cut_ratio=conduct.partial_cut_ratio,
        partial_above_lots=conduct.partial_above_orders * mean_order_lots,
        feed_orders_per_minute=ALL_ORDERS
        if venue.feed_orders_per_minute is None
        else venue.feed_orders_per_minute,
    )


def tilt_leverage(contract: SimulatedContract, tilt: float) -> SimulatedContract:
    """Return a contract whose fresh positions carry more or less leverage than usual.

    Parameters
    ----------
    contract : SimulatedContract
        The contract in its usual mix.
    tilt : float
        Exponent t: the weight of leverage L is multiplied by L^t, and the mix made whole again. 0
        changes nothing.

    Returns
    -------
    SimulatedContract
        With other ``tier_cumulative_weight``; the mean order stays.
    """
    if tilt == 0.0:
        return contract
    weights = np.diff(contract.tier_cumulative_weight, prepend=0.0) * contract.tier_leverage**tilt
    return contract._replace(tier_cumulative_weight=np.cumsum(weights / weights.sum()))


class ContractBook:
    """The traders of one contract, advanced by any number of hours at a time.

    Parameters
    ----------
    contract : SimulatedContract
        Figures of the contract.
    log_index : float
        Index price at the beginning [ln USD].
    generator : numpy.random.Generator
        Draws the positions that are open at the beginning.
    tranche_count : int
        Tranches of the whale; 0 without one.
    """

    def __init__(
        self, contract: SimulatedContract, log_index: float, generator: np.random.Generator,
        tranche_count: int = 0,
    ) -> None:  # fmt: skip
        self.contract = contract
        self.ledger = Ledger(
            bin_head=np.full((2, N_BINS), NOBODY, dtype=np.int32),
            bin_lots=np.zeros((2, N_BINS), dtype=np.int64),
            bin_usd=np.zeros((2, N_BINS)),
            moment_head=np.full(N_MOMENTS, NOBODY, dtype=np.int32),
            whale_slots=np.full(tranche_count, NOBODY, dtype=np.int32),
            counts=np.zeros(7, dtype=np.int64),
            levels=np.zeros(7),
        )
        self.ledger.counts[at.FREE_HEAD] = NOBODY
        self.ledger.levels[[at.LAST_LOG, at.MARK_LOG, at.REMEMBERED_LOG]] = log_index
        self.ledger.levels[at.LAST_PRICE] = round_to_tick(exp(log_index), contract.tick_size)
        self.positions = _no_positions(0)
        # Twice the expected number of positions: orders differ in size, and a minute needs ROOM.
        expected = 2.0 * contract.ordinary_lots / contract.mean_order_lots
        self._grow(ROOM + int(2.0 * expected))
        while not fill_positions(generator, contract, self.positions, self.ledger):
            self._grow(self.positions.lots.size)

    def advance(
        self, generator: np.random.Generator, log_index: FloatArray, activity: FloatArray
    ) -> Measured:
        """Return what is seen of the next hours.

        Parameters
        ----------
        generator : numpy.random.Generator
            Draws what traders do.
        log_index : ndarray of float64, shape (60 m,)
            Index price at the end of each minute [ln USD].
        activity : ndarray of float64, shape (60 m,)
            Trading activity in each minute, 1 on average.

        Returns
        -------
        Measured
            12 m bars and m hours.
        """
        n_bars = log_index.size // BAR_MINUTES
        n_hours = log_index.size // HOUR_MINUTES
        measured = Measured(
            last=np.empty((n_bars, 4)),
            mark=np.empty((n_bars, 4)),
            volume_lots=np.zeros(n_bars, dtype=np.int64),
            taker_buy_lots=np.zeros(n_bars, dtype=np.int64),
            book_lots=np.zeros((n_bars, 2), dtype=np.int64),
            maker_lots=np.zeros(n_bars, dtype=np.int64),
            liquidated_lots=np.zeros((n_bars, 2), dtype=np.int64),
            liquidated_usd=np.zeros((n_bars, 2)),
            published_lots=np.zeros((n_bars, 2), dtype=np.int64),
            published_usd=np.zeros((n_bars, 2)),
            truth_first_bin=np.zeros(n_hours, dtype=np.int64),
            truth_lots=np.zeros((n_hours, 2, PUBLISHED_BINS), dtype=np.int64),
            truth_usd=np.zeros((n_hours, 2, PUBLISHED_BINS)),
        )
        minute = 0
        while True:
            minute = advance_minutes(
                generator, self.contract, self.positions, self.ledger,
                log_index, activity, measured, minute,
            )  # fmt: skip
            if minute == log_index.size:
                return measured
            self._grow(self.positions.lots.size)

    @property
    def open_interest_lots(self) -> int:
        """Open lots on each side, the market maker's included."""
        counts = self.ledger.counts
        return int(counts[at.TRADER_LONG_LOTS] + max(counts[at.MAKER_LOTS], 0))

    def _grow(self, n_slots: int) -> None:
        """Add free slots."""
        first = self.positions.lots.size
        added = _no_positions(n_slots)
        added.bin_next[:] = np.arange(first + 1, first + n_slots + 1)
        added.bin_next[-1] = self.ledger.counts[at.FREE_HEAD]
        standing = self.positions._asdict()
        self.positions = Positions(
            **{
                name: np.concatenate((standing[name], more))
                for name, more in added._asdict().items()
            }
        )
        self.ledger.counts[at.FREE_HEAD] = first
        self.ledger.counts[at.FREE_COUNT] += n_slots


def _no_positions(n_slots: int) -> Positions:
    """Return empty slots, chained to nothing."""

    def chain() -> IndexArray:
        return np.full(n_slots, NOBODY, dtype=np.int32)

    return Positions(
        liquidation_price=np.zeros(n_slots),
        entry_price=np.zeros(n_slots),
        margin=np.zeros(n_slots),
        lots=np.zeros(n_slots, dtype=np.int64),
        side=chain(),
        bin=chain(),
        bin_next=chain(),
        bin_previous=chain(),
        moment=chain(),
        moment_next=chain(),
        moment_previous=chain(),
        cross_tier=chain(),
    )
