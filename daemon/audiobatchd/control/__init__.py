"""The control socket, by which people and programs ask a running service: HTTP with JSON on a unix socket.

It owns the shapes on the socket, and both ends: `server` is the service's, `client` that of every program. The client
knows nothing of the service but the shapes of its answers.
"""
