"""How right the models are, out of sample, on recorded hours: ``python -m bench.accuracy``."""
