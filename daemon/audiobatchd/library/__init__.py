"""The parts of the batch guide, by the service's rules: what batch scripts import from `audiobatchd`.

It owns the public functions and classes. Locks, records and measuring are the rooms' of these names.
"""
