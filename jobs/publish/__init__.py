"""From checked hours to the published file."""
