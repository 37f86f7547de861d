"""Live venues through ccxt: what they declare, how they are asked, what is believed."""
