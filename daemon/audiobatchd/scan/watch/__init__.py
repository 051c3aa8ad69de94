"""Events of the file system, as hints: which folder, or which tree, should be looked at.

It owns inotify and its budget: directories that hold directories are watched, and as many track folders as the
budget has. Events may be lost, doubled or late (docs/explanation/watching.md); walks make up for that.
"""
