"""Accounts of Hyperliquid, whose positions are public: what the venue sends, and how to get it.

Belongs here: wire formats of states, trades, fills and lists, the venue's rate limit, its websocket
of trades. Does not belong here: what is kept of an account and when it is read again
(``jobs/positions``), files and SQL.

An address identifies a person's money. It is passed on in values and appears in no message, no log
line and no record that lands.
"""
