"""The lock of a track folder, `<folder>.lock` beside it: one holder among all processes and machines.

It owns the protocol and its evidence: `kernel` has the system calls, `lock_file` what a lock file says, `folder_lock`
the protocol of a process at work, `observer` the look from outside, `reaper` and `upkeep` the removal of dead locks.
What is done under a lock is none of its affair. Why it is so: docs/explanation/locking.md.
"""
