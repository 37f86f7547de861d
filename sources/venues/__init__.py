"""Live venues through ccxt: declarations, requests, and plausible records of their responses.

An open-interest row goes through `declared` (its endpoint), `request`, `client`, `pagination`,
`session` and `pacer` (the call), `payload` (rows and cells), `page_reader` and `open_interest` (the
record), and `rounds` (landing).
"""
