"""Libraries that run graphs and algorithms: Essentia, loaded once per process, and its TensorFlow graphs.

It owns how they are loaded and fed. What a number means is told by the analyzers' rooms.
"""
