"""The catalog: a SQLite database of what was found in each folder, so that a restart costs a walk and not a reading.

It owns the tables and their care. It can be lost at any time: all of it is found again in the datasets.
"""
