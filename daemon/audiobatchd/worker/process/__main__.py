"""`python -m audiobatchd.worker.process worker SLOT SOCKET` is what the service starts in a slot.

`python -m audiobatchd.worker.process offers | options | features | analyze` answers what is asked on its standard
input; see `worker.questions`. `verify` tells of each track folder below a directory; see `worker.verification`.
"""

import os
import sys

from audiobatchd.worker.process import answers, main

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        main.main(int(sys.argv[3]))
    elif sys.argv[1] == "verify":
        from audiobatchd.worker.process import verification

        verification.serve(sys.stdin.buffer, sys.stdout.buffer)
    else:
        # Of its own: what a library reads is nothing, and no reader takes more than its line.
        with os.fdopen(os.dup(0), "rb") as asked, open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
            answers.answer(sys.argv[1], asked)
