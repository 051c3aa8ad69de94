"""The answers of the service: `requests` has a method per operation of the socket.

What takes more than that to put together has a module beside it: `status`, `folder`, `metrics`.

It owns the way from the core's state to the shapes of `control`. It changes nothing but by events to the core.
"""
