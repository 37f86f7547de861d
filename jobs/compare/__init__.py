"""Maps against one another: pairs, bands, cascades, the consensus, sensitivity."""
