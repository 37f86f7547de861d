"""Measured positions on record, held against every estimator: reach, placement and total."""
