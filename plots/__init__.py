"""Pages and plots made from the published file."""
