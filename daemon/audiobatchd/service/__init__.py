"""The running service: the loop that carries events to the core, and its decisions to disks, workers and the log.

It owns start, reload, stop and one pass. What is decided is the core's; how disks are read, workers kept and locks
taken is told by the rooms of these names.
"""
