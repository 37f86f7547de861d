"""Maps of outside providers, from saved answers or from their services.

One module per provider translates what it sends into `provider_map` records, in the unit and with
the meaning the provider states: nothing is rescaled here, nothing is summed over venues.
`declared.PROVIDERS` lists them.
"""
