"""It owns the outbox of messages, which a crash cannot empty, and their delivery to commands and URLs.

It does not decide what is told, which `core/telling` does, and holds up no job.
"""
