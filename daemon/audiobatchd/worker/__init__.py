"""Worker processes: `pool` starts, watches and ends those of the service, `questions` starts one for a single question.

It owns the processes from outside. What runs inside of one is in `process`, which neither of them imports.
"""
