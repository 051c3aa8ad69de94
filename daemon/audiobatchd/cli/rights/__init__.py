"""The service's rights below a dataset: which directories may be one, the unit's drop-in, and ACLs for its user.

It owns ACLs as they are read, changed, saved and put back. What is said of all that is `setup`'s.
"""
