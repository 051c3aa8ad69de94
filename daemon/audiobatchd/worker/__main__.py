"""`python -m audiobatchd.worker SOCKET SETTINGS`: what the daemon starts in a slot."""

from audiobatchd.worker.process import main

if __name__ == "__main__":
    main()
