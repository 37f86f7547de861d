"""The API: read-only, versioned, what is published."""
