"""Libraries that run graphs and algorithms: Essentia with TensorFlow, the reference, and ONNX Runtime, the fast one.

It owns how they are loaded and fed, and which of them serves. What a number means is told by the analyzers' rooms.
"""
