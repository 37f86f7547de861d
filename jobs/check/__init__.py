"""The quality suites over built hours, and what a failed check keeps from publication."""
