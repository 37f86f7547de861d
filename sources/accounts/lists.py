"""Public lists of accounts: the leaderboard and the vaults.

Belongs here: addresses out of the two documents of the venue's own pages. Does not belong here:
requesting them (`sources.accounts.info_client`).

Neither is documented; their form is that of the venue's pages in 2025 and 2026
(https://stats-data.hyperliquid.xyz/Mainnet/leaderboard, .../Mainnet/vaults).
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sources.accounts.coins import read_address
from sources.errors import ProviderRejected
from sources.providers.answer_values import read_number

# Keys that are kept while a document is decoded; anything else is dropped at once, so that tens of
# megabytes leave only what is read.
_LEADERBOARD_KEYS = frozenset({"leaderboardRows", "ethAddress", "accountValue"})
_VAULT_KEYS = frozenset(
    {
        "summary", "vaultAddress", "leader", "tvl", "isClosed",
        "relationship", "data", "childAddresses",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountList:
    """Addresses of a public list.

    Parameters
    ----------
    addresses : tuple of str
        Each once, those with most money first.
    malformed : int
        Rows without an address.
    """

    addresses: tuple[str, ...]
    malformed: int = 0


def read_leaderboard(raw: bytes) -> AccountList:
    """Return the accounts of the leaderboard; `ProviderRejected` where its form has changed."""
    document = _decode(raw, _LEADERBOARD_KEYS, "leaderboard")
    rows = document.get("leaderboardRows") if isinstance(document, Mapping) else None
    if not isinstance(rows, list):
        raise _unknown_form("leaderboard", "leaderboardRows")
    found: list[tuple[float, str]] = []
    for row in rows:
        address = read_address(row.get("ethAddress")) if isinstance(row, Mapping) else None
        if address is not None:
            found.append((_amount(row.get("accountValue")), address))
    return _make_list(found, len(rows), len(found), "leaderboard")


def read_vaults(raw: bytes) -> AccountList:
    """Return the vaults that are open, the vaults they trade through, and their leaders.

    Raises
    ------
    ProviderRejected
        Where the document has no rows as they are known.
    """
    rows = _decode(raw, _VAULT_KEYS, "vaults")
    if not isinstance(rows, list):
        raise _unknown_form("vaults", "a list of vaults")
    found: list[tuple[float, str]] = []
    readable = 0
    for row in rows:
        summary = row.get("summary") if isinstance(row, Mapping) else None
        summary = summary if isinstance(summary, Mapping) else {}
        vault = read_address(summary.get("vaultAddress"))
        if vault is None:
            continue
        readable += 1
        if summary.get("isClosed") is True:
            continue
        value = _amount(summary.get("tvl"))
        named = [vault, read_address(summary.get("leader")), *_children(summary)]
        found += [(value, address) for address in named if address is not None]
    return _make_list(found, len(rows), readable, "vaults")


def _children(summary: Mapping[str, object]) -> Iterable[str | None]:
    """Return the vaults that hold the positions of a vault of vaults."""
    relationship = summary.get("relationship")
    data = relationship.get("data") if isinstance(relationship, Mapping) else None
    children = data.get("childAddresses") if isinstance(data, Mapping) else None
    return map(read_address, children) if isinstance(children, list) else ()


def _decode(raw: bytes, keys: frozenset[str], name: str) -> object:
    """Return a document with nothing but some keys."""

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        return {key: value for key, value in pairs if key in keys}

    try:
        # What is read is ASCII. Latin-1 takes any byte and one byte a character, where UTF-8 takes
        # four once a name holds an emoji.
        return json.loads(raw.decode("latin-1"), object_pairs_hook=keep)
    except (ValueError, RecursionError) as exc:
        raise ProviderRejected(
            f"hyperliquid: the {name} is no JSON or was cut short ({len(raw)} bytes); it is "
            "requested again with the next round"
        ) from exc


def _amount(value: object) -> float:
    amount = read_number(value)
    return amount if math.isfinite(amount) else 0.0


def _make_list(found: list[tuple[float, str]], rows: int, readable: int, name: str) -> AccountList:
    if rows and not readable:
        raise _unknown_form(name, "an address in any row")
    by_amount = [address for _, address in sorted(found, key=lambda one: -one[0])]
    return AccountList(tuple(dict.fromkeys(by_amount)), rows - readable)


def _unknown_form(name: str, missing: str) -> ProviderRejected:
    return ProviderRejected(
        f"hyperliquid: the {name} does not hold {missing}: its form has changed; accounts are "
        "found by their trades meanwhile, compare the document with sources/accounts/lists.py"
    )
