"""`python -m audiobatchd.worker.process worker SLOT SOCKET` is what the service starts in a slot.

`python -m audiobatchd.worker.process offers | options | features | analyze` answers what is asked on its standard
input; see `worker.questions`.
"""

import sys

from audiobatchd.worker.process import answers, main

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        main.main(int(sys.argv[3]))
    else:
        answers.answer(sys.argv[1])
