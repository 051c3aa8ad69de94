"""Reports: one page about a dataset that needs no network, no script and no service to be read.

It owns what is in a report and how it is laid out. Values come from a source like those of `results`, pictures from
`pictures`.
"""
