"""The library Essentia, imported once per process, silently and with its threads capped.

It is imported when an analyzer loads and not with its module: whoever only asks which features there are need not wait
the second that it takes.
"""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType
from typing import Any

from audiobatchd.plugin_api import AnalyzerUnavailableError

_ENVIRONMENT = {
    # Read when libtensorflow is loaded. A worker has the thread caps already; somebody's own script has not.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


@cache
def standard() -> Any:  # noqa: ANN401  # the module has no types
    """The module `essentia.standard`. Raises AnalyzerUnavailableError where it cannot be imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import essentia  # noqa: PLC0415  # see above

        essentia.log.infoActive = essentia.log.warningActive = False
        from essentia import standard as module  # noqa: PLC0415  # its log must be silent before
    except ImportError as error:
        message = f"cannot import essentia: {error}"
        raise AnalyzerUnavailableError(message) from error
    found: ModuleType = module
    return found
