"""The commands of `audiobatchctl`, a module per subject; each is loaded when one of its commands is asked for.

It owns what each asks, and how the answer reads: a command is a function of its arguments, the service's client and
`say`, which prints a line, and gives the exit code. None takes anything from another: what several need stands beside
this room, in `named`, `local` and `wording`.
"""
