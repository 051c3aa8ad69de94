"""Reading audio files: open, fingerprint, decode whole, and never take a damaged file for a healthy one.

It owns containers, decoders and the views that analyzers get. It runs inside worker processes only: PyAV collapses
beside a busy Python thread, and hostile files may crash it.
"""
