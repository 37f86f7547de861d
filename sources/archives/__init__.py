"""History that venues publish as files: which files there are, and their downloads.

Belongs here: names and layout of archives, downloads. Does not belong here: reading the files
(`sources.recorded`), which of them were loaded (`warehouse.archive_ledger`).
"""
