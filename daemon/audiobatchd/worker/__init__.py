"""The worker process: one job at a time, the only place where audio is decoded and analyzers run."""
