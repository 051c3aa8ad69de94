"""`python -m audiobatchd.worker SOCKET PID SETTINGS` is what the daemon starts in a slot.

`python -m audiobatchd.worker offers | features | analyze SETTINGS ...` only answers that question; see `one_off`.
"""

import sys

from audiobatchd.worker import process, questions

if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        process.main()
    else:
        questions.answer(sys.argv[1], sys.argv[2], sys.argv[3:])
