"""What batch scripts import from `audiobatchd`: the parts of the batch guide, by the service's rules.

It owns the public functions and classes. Locks, records and measuring are the rooms' of these names.
"""
