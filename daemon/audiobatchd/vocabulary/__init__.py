"""The words that every room uses: states, source files, names, quantities, and the summary of a pass.

It owns data and its texts. Nothing in it touches a disk, a clock or a process.
"""
