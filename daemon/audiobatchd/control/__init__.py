"""How people and programs ask a running daemon: HTTP with JSON on a unix socket.

`place` says where the socket is, `server` is the daemon's end, `client` everybody else's. The client knows nothing
of the daemon but the shape of its answers.
"""
