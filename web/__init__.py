"""The page and the API of ``liqheat serve``: what is published, over HTTP, read-only."""
