"""Classifiers by published models: the analyzers of the entry point `classifiers`, and the files that they need.

It owns heads, families and metadata. Graphs are run by `engines`.
"""

from audiobatch_analyzers.classifiers.analyzer import classifiers

__all__ = ["classifiers"]
