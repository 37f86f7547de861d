"""All providers of maps by name. Does not belong here: anything about one of them."""

from sources.providers import (
    canonical_file,
    coinank,
    coinglass,
    datamaxi,
    hyblock,
    hyperliquid_positions,
)
from sources.providers.provider import Provider

PROVIDERS: dict[str, Provider] = {
    module.PROVIDER.name: module.PROVIDER
    for module in (
        coinglass,
        coinank,
        hyblock,
        datamaxi,
        hyperliquid_positions,
        canonical_file,
    )
}
