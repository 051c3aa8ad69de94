"""`python -m audiobatchd.worker.process.media SOCKET PID` is what `worker.media` starts."""

from audiobatchd.worker.process.media import serving

if __name__ == "__main__":
    serving.main()
