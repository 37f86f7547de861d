"""One series built once, a copy of it to publish, and one that is published."""

from workbench.publication_fixtures import built, published, published_once, shop

__all__ = ["built", "published", "published_once", "shop"]
