"""The service's end of the control socket: who may connect and change things, routes, and the feed of events.

It owns HTTP and the socket's file. What is answered comes from the service, by the protocol that `routes` has.
"""
