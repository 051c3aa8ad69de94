"""Hooks: an outbox that a crash cannot empty, and the commands and URLs that what is in it goes to.

What is told is decided in `core/telling`; nothing here holds up a job.
"""
