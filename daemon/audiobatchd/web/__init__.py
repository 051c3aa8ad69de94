"""The page that the service serves in its own loop: who may look, what they may ask, and the files of datasets.

Off unless `[web] listen` is set. What is answered comes from the service, by the protocol that `contract` has.
"""
