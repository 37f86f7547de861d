"""Fits to realised liquidations, and scores of maps against them."""
