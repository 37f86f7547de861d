"""Positions of Hyperliquid's accounts, collected by a long-running job."""
