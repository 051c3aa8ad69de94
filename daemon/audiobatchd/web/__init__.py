"""The page that the service serves in its own loop, off unless `[web] listen` is set.

It owns who may look and what they may ask over TCP, the page's files, and reading files of datasets for it. What is
answered comes from the service, by the protocol that `contract` has.
"""
