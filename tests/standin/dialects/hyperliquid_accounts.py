"""The part of Hyperliquid's dialect that is about accounts: states, fills, lists, trades.

Belongs here: paths, weights, subscriptions. Does not belong here: the shapes of what is sent
(`population.wording`) or the accounts themselves (`population.world`).
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from standin.answers import Answer, Call, Refusal, Socket, route
from standin.market_data import MarketData, Series
from standin.population import Population, PopulationParameters, wording

INFO = "POST /info"
FILLS_PER_WEIGHT = 20


class AccountRoutes:
    """What Hyperliquid answers about accounts, where a population trades there."""

    population: Population | None = None

    def populate(self, market: MarketData, now: int, parameters: PopulationParameters) -> Any:
        self.population = Population(
            market, start=now, names=list(self.by_id), parameters=parameters
        )
        self._last_states: dict[tuple[str, str], tuple[Any, Any, int]] = {}
        self._spelled: tuple[int, int, dict[str, list[dict[str, Any]]]] = (0, 0, {})
        return self.population

    def _people(self, call: Call) -> Population:
        """Return the accounts as of now."""
        if self.population is None:
            raise Refusal(501, {"standin": "no accounts here; start it with a population"})
        self.population.advance(call.now)
        return self.population

    def _dex(self, call: Call, people: Population) -> str:
        dex = call.params.get("dex", "")
        if dex not in people.dexes:
            raise Refusal(500, None)
        return dex

    def _address(self, call: Call) -> str:
        address = call.params.get("user", "").lower()
        digits = address.removeprefix("0x")
        if len(digits) != 40 or not all(digit in "0123456789abcdef" for digit in digits):
            raise self.bad_parameter("user", address)
        return address

    def contexts_now(self, call: Call) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return universe and contexts of the dex a call names."""
        people = self._people(call)
        return wording.contexts_of(people, self._dex(call, people))

    @route(INFO, "dexes", ("type", "perpDexs"), weight=20)
    def dexes(self, call: Call) -> Answer:
        others = self.population.dexes[1:] if self.population is not None else []
        return Answer([None, *({"name": name, "fullName": name.upper()} for name in others)])

    @route(INFO, "account_state", ("type", "clearinghouseState"), weight=2)
    def state(self, call: Call) -> Answer:
        people = self._people(call)
        address, dex = self._address(call), self._dex(call, people)
        rows, wrap = wording.state_of(people, address, dex)
        people.note_answer(address, dex)
        at = call.server_time
        if any(fault.kind == "stale_state" for fault in call.drawn):
            rows, wrap, at = self._last_states.get(
                (address, dex), (rows, wrap, at - call.drawn[0].milliseconds)
            )
        elif any(fault.kind == "stale_state" for fault in call.faults.active):
            self._last_states[address, dex] = (rows, wrap, at)
        return Answer(rows, lambda rows: wrap(rows, at))

    @route(INFO, "account_fills", ("type", "userFillsByTime"), weight=20)
    def fills(self, call: Call) -> Answer:
        people = self._people(call)
        since = call.integer("startTime")
        if since is None:
            raise self.bad_parameter("startTime", "")
        until = call.integer("endTime", call.now) or call.now
        rows = wording.fills_of(people, self._address(call), since, until)
        return Answer(rows, weight=len(rows) // FILLS_PER_WEIGHT)

    @route(INFO, "marks", ("type", "allMids"), weight=2)
    def mids(self, call: Call) -> Answer:
        universe, contexts = self.contexts_now(call)
        mids = {
            coin["name"]: context["midPx"] for coin, context in zip(universe, contexts, strict=True)
        }
        return Answer([mids], lambda rows: rows[0] if rows else {})

    @route(INFO, "account_role", ("type", "userRole"), weight=60)
    def role(self, call: Call) -> Answer:
        account = self._people(call).account_of.get(self._address(call))
        role = "missing" if account is None else "vault" if account == 0 else "user"
        return Answer([{"role": role}], lambda rows: rows[0] if rows else {})

    @route("GET /Mainnet/leaderboard", "leaderboard")
    def leaderboard(self, call: Call) -> Answer:
        rows = wording.leaderboard_of(self._people(call))
        if any(fault.kind == "reorganised_list" for fault in call.drawn):
            renamed = [{"user": row["ethAddress"], "value": row["accountValue"]} for row in rows]
            return Answer(renamed, lambda rows: {"data": {"rows": rows}})
        return Answer(rows, lambda rows: {"leaderboardRows": rows})

    @route("GET /Mainnet/vaults", "vaults")
    def vaults(self, call: Call) -> Answer:
        return Answer(wording.vaults_of(self._people(call)))

    # -- websocket

    def on_text(self, socket: Socket, message: str) -> Iterable[Any]:
        try:
            sent = json.loads(message)
            method, subscription = sent["method"], sent.get("subscription") or {}
        except (ValueError, KeyError, TypeError):
            yield {"channel": "error", "data": f"Error parsing JSON: {message}"}
            return
        if method == "ping":
            yield {"channel": "pong"}
            return
        coin, people = subscription.get("coin", ""), self.population
        is_known = people is not None and coin in people.names
        if subscription.get("type") != "trades" or people is None or not is_known:
            yield {"channel": "error", "data": f"Invalid subscription {json.dumps(subscription)}"}
            return
        if method == "unsubscribe":
            socket.topics.pop(coin, None)
        elif method == "subscribe" and coin in socket.topics:
            yield {"channel": "error", "data": f"Already subscribed: {json.dumps(subscription)}"}
            return
        else:
            socket.topics[coin] = True
        yield {"channel": "subscriptionResponse",
               "data": {"method": method, "subscription": subscription}}  # fmt: skip
        total = int(people.tape.counts[0])
        if socket.next_trade < 0:
            socket.next_trade = total
        if method == "subscribe":
            recent = wording.trades_between(people, max(people.first_trade, total - 200), total)
            data = recent.get(coin, [])[-wording.RECENT_TRADES :]
            yield {"channel": "trades", "data": data}

    def frames(
        self, socket: Socket, after: int, until: int, is_listed: Callable[[Series], bool]
    ) -> Iterable[Any]:
        people = self.population
        if people is None or socket.next_trade < 0:
            return
        people.advance(until)
        first, last = socket.next_trade, int(people.tape.counts[0])
        socket.next_trade = last
        if self._spelled[:2] != (first, last):
            self._spelled = (first, last, wording.trades_between(people, first, last))
        for coin, trades in self._spelled[2].items():
            if coin in socket.topics:
                yield {"channel": "trades", "data": trades}
