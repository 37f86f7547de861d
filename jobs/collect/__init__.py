"""Data coming in: from venues, archives, providers and a user's files to the landing folder."""
