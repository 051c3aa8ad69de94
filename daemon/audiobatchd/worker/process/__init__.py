"""The inside of a worker process: one job at a time, the only place where audio is decoded and analyzers run.

It owns a job from taking the folder's lock to publishing its record. Which job comes next is told over its socket.
"""
