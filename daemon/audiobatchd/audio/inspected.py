"""The source file as an analyzer of the file itself reads it: a bounded file object over the open descriptor."""

from __future__ import annotations

import errno
import io
import os
from typing import BinaryIO, cast

from audiobatchd.audio.encoding import encoding_of
from audiobatchd.audio.source import READINGS, SourceFile
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from audiobatchd.plugin_api import Encoding

_BESIDE = 1 << 20
"""Bytes that may be read beyond that: a parser of small files looks for headers here and there."""


class InspectedFile:
    """An open source file of `role`; a `plugin_api.File`.

    `fault` is the first OSError of the disk, whatever an analyzer made of it.
    """

    def __init__(self, source: SourceFile, role: str, max_duration: float) -> None:
        self._source = source
        self._max_duration = max_duration
        self._found: Encoding | UnmeasurableError | None = None
        self.role = role
        self.name = source.stamp.shown
        self.size = source.stamp.size
        self.fault: OSError | None = None
        self.damage: DamagedFileError | None = None
        """Damage that was found while its encoding was read, likewise."""
        self.left = READINGS * self.size + _BESIDE
        """Bytes that may still be read."""

    def open(self) -> BinaryIO:
        """See `plugin_api.File.open`."""
        return cast("BinaryIO", _Reading(self, self._source))

    def encoding(self) -> Encoding:
        """See `plugin_api.File.encoding`. Raises DamagedFileError too, and OSError where the file cannot be read."""
        if self._found is None:
            try:
                self._found = encoding_of(self._source, self._max_duration)
            except UnmeasurableError as error:
                self._found = error
            except DamagedFileError as error:
                self.damage = error
                raise
            except OSError as error:
                self.fault = error
                raise
        if isinstance(self._found, UnmeasurableError):
            raise self._found
        return self._found

    def check(self) -> None:
        """Raise what an analyzer may have swallowed: the disk's fault, or the file's damage."""
        for error in (self.fault, self.damage):
            if error is not None:
                raise error


class _Reading(io.RawIOBase):
    """Position in an `InspectedFile`. `read` gives no more bytes than there are, however many are asked for."""

    def __init__(self, file: InspectedFile, source: SourceFile) -> None:
        super().__init__()
        self._file = file
        self._window = source.window()
        self._position = 0
        self.name = file.name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, length: int | None = -1, /) -> bytes:
        left = max(0, self._window.size - self._position)
        wanted = left if length is None or length < 0 else min(length, left)
        if wanted > self._file.left:
            message = f"more is read of {self._file.name} than {READINGS} times its size"
            raise OSError(errno.EFBIG, message)
        try:
            block = self._window.at(self._position, wanted)
        except OSError as error:
            self._file.fault = self._file.fault or error
            raise
        self._file.left -= len(block)
        self._position += len(block)
        return block

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: object, /) -> int:
        octets = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # what io calls a buffer has no name in 3.11
        block = self.read(len(octets))
        octets[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._window.size}[whence]
        if origin + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._position = origin + offset
        return self._position

    def tell(self) -> int:
        return self._position
