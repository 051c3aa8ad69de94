"""The configuration: the file that people write, the places of the service's own files, and checks of both.

It owns the keys, their defaults and bounds. What a setting leads to is decided where it counts.
"""
