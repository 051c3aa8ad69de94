"""`python -m audiobatchd.worker SOCKET PID SETTINGS` is what the daemon starts in a slot.

`python -m audiobatchd.worker offers SETTINGS` only prints, as its last line, what the analyzers offer.
"""

import sys

from audiobatchd.worker import process

if __name__ == "__main__":
    if sys.argv[1] == "offers":
        process.print_offers(sys.argv[2])
    else:
        process.main()
