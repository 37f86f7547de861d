"""Alerts: rules that users write, what fired by hour, what was delivered."""
