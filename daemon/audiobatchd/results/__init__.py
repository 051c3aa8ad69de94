"""Results: what people may ask of the values of all records, by columns, conditions, an order, and in bins.

It owns the questions and their bounds. The values are the catalog's, or, where no service knows a dataset, come from
the records on disk; both are asked by the same statements.
"""
