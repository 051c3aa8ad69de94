"""Exports: the values of a dataset as tables, and as directories that training programs load.

It owns the forms, how they are written, and that a target is there as a whole or not at all. Rows come from `results`.
"""
