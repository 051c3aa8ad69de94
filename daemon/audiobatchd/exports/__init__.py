"""Exports: the values of a dataset as tables and as datasets of other programs, written whole or not at all.

Rows come from `results`; which forms there are stands in `forms`.
"""
