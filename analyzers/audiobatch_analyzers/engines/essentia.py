"""The library Essentia, imported once per process, silently and with its threads capped.

It is imported when an analyzer loads and not with its module: a caller that only asks which features there are need
not wait the second that it takes.
"""

from __future__ import annotations

import mmap
import os
from functools import cache
from types import ModuleType
from typing import Any

from audiobatchd.plugin_api import AnalyzerUnavailableError, absence

_ENVIRONMENT = {
    # Read when libtensorflow is loaded. A worker has the thread caps already; a script of the user's has not.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


# TensorFlow makes its matrix kernels at run time. Where that is forbidden it does not say so and gives wrong numbers.
_COMPILED_AHEAD = {"TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL": "false"}


@cache
def standard() -> Any:  # noqa: ANN401  # the module has no types
    """The module `essentia.standard`. Raises AnalyzerUnavailableError where it cannot be imported."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not _may_make_code():
        os.environ.update(_COMPILED_AHEAD)
    try:
        import essentia  # noqa: PLC0415  # see above

        essentia.log.infoActive = essentia.log.warningActive = False
        from essentia import standard as module  # noqa: PLC0415  # its log must be silent before
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "essentia"
        message = f"cannot import essentia: {absence('essentia-tensorflow') if absent else error}"
        raise AnalyzerUnavailableError(message) from error
    found: ModuleType = module
    return found


def _may_make_code() -> bool:
    """Tell whether memory may be writable and executable: systemd's MemoryDenyWriteExecute= and SELinux forbid it."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except PermissionError:
        return False
    return True
