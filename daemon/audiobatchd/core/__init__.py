"""What decides.

Nothing in here has a clock, a file, a process, a socket or a log: `now` comes in, what is to be done goes out.
"""
