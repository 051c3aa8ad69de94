"""Behaviours on network file systems: a guest with a file server and two hosts that mount from it."""
