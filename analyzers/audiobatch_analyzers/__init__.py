"""Analyzers of audiobatchd: what turns decoded audio into features.

A module here is imported only inside worker processes, by its entry point in the group `audiobatchd.analyzers`, and may
therefore import heavy libraries at its top. Of the service it imports `audiobatchd.plugin_api` and nothing else.
"""
