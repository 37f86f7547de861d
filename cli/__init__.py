"""The `liqheat` command."""
