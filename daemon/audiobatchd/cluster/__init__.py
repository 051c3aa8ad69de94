"""Passes on the machines of a Dask cluster: `pool` stands in for the pool of local workers, `place` runs in Dask.

It owns how a cluster is reached and which of its machines are used. What is measured where, the core decides as ever.
"""
