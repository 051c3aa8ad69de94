"""The way in for loose music: track folders are made of a library's files, and taken out again by `undo`.

It owns what is found in a library (`library`, `cue`, `stems`), what its tracks are called (`tags`, `titles`, `naming`),
and the acts that build and remove track folders, each written down before it is done (`manifest`, `transfer`, `build`,
`undo`). It measures nothing, asks no service, and draws on no terminal.
"""
