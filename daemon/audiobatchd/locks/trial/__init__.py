"""The trial of a file system's locks: on one machine, and between two that look at the same directory.

It owns `audiobatchctl locks test`. The service does not use it.
"""
