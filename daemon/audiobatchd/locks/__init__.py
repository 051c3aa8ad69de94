"""The lock of a track folder, `<folder>.lock` beside it: one holder among all processes and machines.

`kernel` are the system calls, `content` what a lock file says, `folder_lock` the protocol of whoever works on a folder,
`observer` the look from outside, `reaper` what removes the locks of the dead. Why it is so: docs/explanation/locking.
"""
