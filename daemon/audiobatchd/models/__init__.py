"""The model store: which published models we know, where their files are, and how they come to this machine.

No model is shipped. It owns files, addresses and digests; what is computed with a model is told by the analyzers.
"""
