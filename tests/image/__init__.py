"""Behaviours of the container image, and of what goes with it: manifests, dashboard and alert rules."""
