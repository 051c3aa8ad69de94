"""The decisions of the service: which folder is read, measured, tried again or left, and when.

It owns every rule and all state of datasets and folders. It has no clock, file, process, socket or log: `now` and
events come in, actions go out.
"""
