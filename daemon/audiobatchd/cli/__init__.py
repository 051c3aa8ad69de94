"""The command line: the programs `audiobatchd` and `audiobatchctl`, their commands, and all that draws on a terminal.

It owns what a person types and sees. It decides nothing and measures nothing: commands ask the service over its socket,
or the rooms below where no service is needed.
"""
