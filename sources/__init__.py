"""Everything that brings data in."""
