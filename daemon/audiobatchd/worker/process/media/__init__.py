"""The process that makes pictures of audio on demand, one at a time and behind all other work of the machine.

It decodes files that it is handed open, and opens none itself. `worker.media` starts it and talks to it.
"""
