"""Files on disk, read and written safely: directories, records, mounts, and disks that may not answer.

It owns the bounds of every reading and the way a record is replaced. It knows files, and neither jobs nor the service.
"""
