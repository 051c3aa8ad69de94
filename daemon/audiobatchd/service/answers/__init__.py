"""The answers of the service: one module per question that is asked over the socket or by a metrics collector.

It owns the way from the core's state to the shapes of `control`. It changes nothing but by events to the core.
"""
