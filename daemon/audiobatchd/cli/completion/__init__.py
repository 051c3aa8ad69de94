"""Completion of command lines: what may stand at the end of one, how shells quote it, and the scripts that ask for it.

It owns the kinds of names that arguments take. The names are found by `commands.complete`, which the scripts call.
"""
