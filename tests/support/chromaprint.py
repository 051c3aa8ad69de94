"""Chromaprint's own library, which Essentia's brings along: what `fpcalc` calls, for tests to compare with.

It is called through ctypes; the names and types are those of chromaprint.h.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from audiobatch_analyzers.engines import essentia
from support.audio_files import Samples

_DEFAULT = 1
"""CHROMAPRINT_ALGORITHM_DEFAULT."""


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("essentia")
    assert spec is not None
    assert spec.origin is not None
    essentia.standard()  # silently: what it loads would speak otherwise
    found = next(Path(spec.origin).parent.glob("_essentia*.so"))
    library = ctypes.CDLL(str(found))
    library.chromaprint_new.restype = ctypes.c_void_p
    return library


def decoded(fingerprint: str) -> list[int]:
    """The sub-fingerprints that a fingerprint in base64 holds."""
    items, size, algorithm = ctypes.POINTER(ctypes.c_uint32)(), ctypes.c_int(), ctypes.c_int()
    text = fingerprint.encode()
    taken = _library().chromaprint_decode_fingerprint(
        text, len(text), ctypes.byref(items), ctypes.byref(size), ctypes.byref(algorithm), 1
    )
    assert taken == 1
    found = list(items[: size.value])
    _library().chromaprint_dealloc(items)
    return found


def encoded(items: list[int]) -> str:
    """The fingerprint in base64 of these sub-fingerprints."""
    text, size = ctypes.c_char_p(), ctypes.c_int()
    given = (ctypes.c_uint32 * len(items))(*items)
    taken = _library().chromaprint_encode_fingerprint(
        given, len(items), _DEFAULT, ctypes.byref(text), ctypes.byref(size), 1
    )
    assert taken == 1
    assert text.value is not None
    found = text.value[: size.value].decode()
    _library().chromaprint_dealloc(text)
    return found


def as_fpcalc(samples: Samples, rate: int, seconds: int = 120) -> str:
    """The fingerprint that `fpcalc` makes: fed 16 bits at the file's rate, all channels, its first two minutes."""
    library = _library()
    context = ctypes.c_void_p(library.chromaprint_new(_DEFAULT))
    whole = np.clip(np.rint(samples[: seconds * rate] * 32768.0), -32768, 32767).astype(np.int16)
    fed = np.ascontiguousarray(whole)
    text = ctypes.c_char_p()
    assert library.chromaprint_start(context, rate, samples.shape[1])
    assert library.chromaprint_feed(context, fed.ctypes.data_as(ctypes.c_void_p), fed.size)
    assert library.chromaprint_finish(context)
    assert library.chromaprint_get_fingerprint(context, ctypes.byref(text))
    assert text.value is not None
    found = text.value.decode()
    library.chromaprint_dealloc(text)
    library.chromaprint_free(context)
    return found
