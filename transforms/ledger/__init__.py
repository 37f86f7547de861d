"""The ledgers: kernels of the path of price whose rows are fitted to realised liquidations."""
