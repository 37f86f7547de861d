"""Measured positions of accounts: arrays of them in, maps and figures about them out."""
