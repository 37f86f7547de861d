"""One module per venue: its paths, parameters, units, orders, limits and refusals."""
