"""Bitcoin's contract on each venue, as ccxt calls it."""

BTC = {
    "binance": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
    "okx": "BTC/USDT:USDT",
    "gate": "BTC/USDT:USDT",
    "hyperliquid": "BTC/USDC:USDC",
    "bitget": "BTC/USDT:USDT",
    "kucoin": "BTC/USDT:USDT",
    "htx": "BTC/USDT:USDT",
    "mexc": "BTC/USDT:USDT",
    "deribit": "BTC/USD:BTC",
}
