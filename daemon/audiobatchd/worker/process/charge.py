"""The boundary of an analyzer's call: what it raises, and the processor time that it takes, are charged to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from audiobatchd.disk.filesystems import cause_of
from audiobatchd.plugin_api import AnyAnalyzer
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.states import Cause

_LOG = logging.getLogger(__name__)


@contextmanager
def charged(analyzer: AnyAnalyzer, costs: dict[str, float], faults: dict[str, str]) -> Iterator[None]:
    """Add the time of a call to `costs`, and what it raises, in words, to `faults`, both by the analyzer's name.

    Raises OSError for a shortage of this process, which is no analyzer's fault.
    """
    started = time.process_time()
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and cause_of(error) is Cause.SHORTAGE:
            # Whatever the analyzer wanted. Not as it is: one of PyAV's would be the decoder's.
            raise OSError(error.errno, error.strerror) from error
        # The boundary of an analyzer's call, which may raise anything.
        _LOG.exception("analyzer %s", analyzer.name)
        faults[analyzer.name] = printable(f"analyzer {analyzer.name} failed: {type(error).__name__}: {error}")
    finally:
        spent = time.process_time() - started
        costs[analyzer.name] = costs.get(analyzer.name, 0.0) + spent
