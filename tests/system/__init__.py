"""Behaviours of the installed package under a systemd of its own, booted in a container."""
