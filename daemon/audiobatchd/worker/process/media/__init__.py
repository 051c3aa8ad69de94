"""The process that makes pictures of audio on demand, one at a time and behind all other work of the machine.

It owns waveforms, loudness over time and spectrograms of files that it is handed open; it opens none itself.
`worker.media` starts it and talks to it.
"""
