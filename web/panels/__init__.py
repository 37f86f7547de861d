"""Panels beside the map: each reads a few named queries and renders a fragment of the page."""
