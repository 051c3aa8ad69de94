"""Scans of datasets: walks, readings of single folders, watches for changes, and what is known already.

It owns the catalog and the file system's events. What follows from a finding is decided in `core`.
"""
