"""Finding out what a dataset holds: walks, readings of single folders, watches for changes, and what is known already.

It owns the catalog and the file system's events. What follows from a finding is the core's to decide.
"""
