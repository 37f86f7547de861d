"""Answers of Hyperliquid about accounts, written by hand."""

import pytest

ADDRESS, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20
AT_MS = 1_772_539_200_000  # 2026-03-03 12:00


@pytest.fixture
def position():
    """Return a maker of positions as the venue sends them."""

    def made(coin="BTC", szi="2", **changed):
        fields = {
            "coin": coin,
            "szi": szi,
            "entryPx": "95.0",
            "positionValue": str(abs(float(szi)) * 100) if szi else None,
            "unrealizedPnl": "10.0",
            "returnOnEquity": "0.5",
            "liquidationPx": "80.0",
            "marginUsed": "20.0",
            "maxLeverage": 40,
            "leverage": {"type": "cross", "value": 10},
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        } | changed
        return {"type": "oneWay", "position": {k: v for k, v in fields.items() if v != "gone"}}

    return made


@pytest.fixture
def state():
    """Return a maker of states as the venue sends them."""

    def made(*positions, **changed):
        return {
            "marginSummary": {"accountValue": "1234.5", "totalNtlPos": "200.0"},
            "crossMarginSummary": {"accountValue": "1234.5"},
            "withdrawable": "0.0",
            "assetPositions": list(positions),
            "time": AT_MS,
        } | changed

    return made
