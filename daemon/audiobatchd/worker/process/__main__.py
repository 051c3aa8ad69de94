"""`python -m audiobatchd.worker.process SOCKET PID SETTINGS` is what the service starts in a slot.

`python -m audiobatchd.worker.process offers | options | features | analyze SETTINGS` answers questions;
see `worker.questions`.
"""

import sys

from audiobatchd.worker.process import answers, main

if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        main.main()
    else:
        answers.answer(sys.argv[1], sys.argv[2])
