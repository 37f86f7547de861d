"""A copy of what is published to go on from, and what each publication wrote."""

from workbench.publication_fixtures import (
    built,
    killed_before_link,
    published,
    published_once,
    shop,
    spans,
)

__all__ = ["built", "killed_before_link", "published", "published_once", "shop", "spans"]
