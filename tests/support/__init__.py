"""Tools of several tests: audio to measure, analyzers to plug in, a service to run, a dispatcher to drive."""
