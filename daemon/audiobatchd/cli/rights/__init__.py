"""The rights of the service's user below a dataset: which directories they may be given in, giving, and taking back.

It owns ACLs as they are read, changed and saved. What is said of them, and the unit's own rights, are `setup`'s.
"""
