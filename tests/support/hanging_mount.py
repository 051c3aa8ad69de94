"""A file system that stops answering: a mirror of a directory, served through /dev/fuse by a process of its own.

While a file `hang` lies beside the mirrored directory, every request whose path contains what stands in that file is
read and not answered. The kernel cannot take such a request back, so its process sleeps and cannot be killed. When
the file goes, what was asked is answered; when the server is killed, the kernel ends every request with an error.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import stat
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_HEADER = struct.Struct("=IIQQIIII")
_DEVICE = Path("/dev/fuse")
_LONGEST = (1 << 20) + 4096
_MOST = 1 << 17
_DETACH = 2
_ROOT = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Say why there can be no such mount here; empty where there can be."""
    if os.geteuid() != 0:
        return "only root mounts a file system"
    return "" if _DEVICE.exists() else "there is no /dev/fuse"


@dataclass
class HangingMount:
    """The mount at `place`, a mirror of `behind`."""

    place: Path
    behind: Path
    server: subprocess.Popen[bytes]

    @property
    def switch(self) -> Path:
        """The file that makes it hang."""
        return self.behind.with_name(self.behind.name + ".hang")

    def hang(self, part: str = "") -> None:
        """Answer nothing from now on; with `part` only what is asked of paths that contain it."""
        made = self.switch.with_suffix(".new")
        made.write_text(part)
        made.rename(self.switch)

    def heal(self) -> None:
        """Answer again, also what was asked meanwhile."""
        self.switch.unlink(missing_ok=True)

    def abort(self) -> None:
        """End the connection: what waits for an answer gets an error."""
        self.server.kill()
        self.server.wait()

    def detach(self) -> None:
        """Take the mount from its place, whatever still waits in it."""
        _LIBC.umount2(os.fsencode(self.place), _DETACH)


@contextmanager
def hanging_mount(place: Path, behind: Path) -> Iterator[HangingMount]:
    """Mount a mirror of `behind` at `place`; the connection is aborted at the end, and nothing stays mounted."""
    place.mkdir(exist_ok=True)
    behind.mkdir(exist_ok=True)
    mount = HangingMount(place, behind, subprocess.Popen([sys.executable, __file__, behind, place], stdout=-1))
    try:
        assert mount.server.stdout is not None
        if mount.server.stdout.readline() != b"mounted\n":
            message = f"cannot mount a FUSE file system at {place}"
            raise RuntimeError(message)
        yield mount
    finally:
        mount.abort()
        mount.detach()
        if mount.server.stdout is not None:
            mount.server.stdout.close()


# The server


class _Refused(Exception):  # noqa: N818  # no error of ours: an answer
    """The answer to a request is this error number."""


@dataclass
class _Server:
    """Answers the kernel's requests; `paths` has the path of every node that the kernel knows."""

    device: int
    behind: Path
    paths: dict[int, str] = field(default_factory=lambda: {_ROOT: ""})
    nodes: dict[str, int] = field(default_factory=lambda: {"": _ROOT})
    waiting: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        """Go on until the connection ends."""
        while True:
            if select.select([self.device], [], [], 0.02)[0]:
                try:
                    request = os.read(self.device, _LONGEST)
                except OSError as error:
                    if error.errno == errno.ENODEV:
                        return
                    continue
                self.waiting.append(request)
            hangs = self._hangs()
            asked, self.waiting = self.waiting, []
            for each in asked:
                if hangs is not None and hangs in self._path_of(each):
                    self.waiting.append(each)
                else:
                    self._answer(each)

    def _hangs(self) -> str | None:
        try:
            return self.behind.with_name(self.behind.name + ".hang").read_text()
        except FileNotFoundError:
            return None

    def _path_of(self, request: bytes) -> str:
        """Return the path that a request is about, with the name that it brings along."""
        _, code, _, node = _HEADER.unpack_from(request)[:4]
        body = request[_HEADER.size :]
        name = _name(body[_NAMED[code] :]) if code in _NAMED else ""
        return f"{self.paths.get(node, '')}/{name}"

    def _answer(self, request: bytes) -> None:
        _, code, unique, node, *_ = _HEADER.unpack_from(request)
        if code in (_FORGET, _BATCH_FORGET, _INTERRUPT):
            return
        number, content = 0, b""
        try:
            answer = _ANSWERS.get(code)
            if answer is None:
                raise _Refused(errno.ENOSYS)
            content = answer(self, node, request[_HEADER.size :])
        except _Refused as refused:
            number = refused.args[0]
        except OSError as error:
            number = error.errno or errno.EIO
        with suppress(OSError):  # an interrupted request is not there any more
            os.write(self.device, struct.pack("=IiQ", 16 + len(content), -number, unique) + content)

    # How each request is answered

    def init(self, _node: int, body: bytes) -> bytes:
        """Answer without asynchronous reads: a reader waits for each request, and cannot be killed meanwhile."""
        major, minor = struct.unpack_from("=II", body)
        big_writes = 1 << 5
        return struct.pack("=IIIIHHIIHHI28x", major, min(minor, 31), 1 << 17, big_writes, 16, 12, _MOST, 1, 32, 0, 0)

    def look_up(self, node: int, body: bytes) -> bytes:
        return self._entry(self._below(node, _name(body)))

    def attributes(self, node: int, _body: bytes) -> bytes:
        return self._attributes(self.paths[node])

    def change(self, node: int, body: bytes) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid = struct.unpack_from(
            "=IIQQQQQQIIIIIII", body
        )
        path = self._real(self.paths[node])
        if valid & 1:
            path.chmod(stat.S_IMODE(mode))
        if valid & 6:
            os.chown(path, uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 8:
            os.truncate(path, size)
        if valid & 0x20:
            os.utime(path, ns=(atime * 10**9 + atime_ns, mtime * 10**9 + mtime_ns))
        return self._attributes(self.paths[node])

    def open(self, node: int, body: bytes) -> bytes:
        flags = struct.unpack_from("=I", body)[0] & ~(os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL)
        keeps_no_pages = 1
        return struct.pack("=QII", os.open(self._real(self.paths[node]), flags & ~os.O_APPEND), keeps_no_pages, 0)

    def create(self, node: int, body: bytes) -> bytes:
        flags, mode = struct.unpack_from("=II", body)
        path = self._below(node, _name(body[16:]))
        handle = os.open(self._real(path), (flags | os.O_CREAT) & ~(os.O_NOFOLLOW | os.O_APPEND), mode & 0o7777)
        os.fchmod(handle, mode & 0o7777)
        return self._entry(path) + struct.pack("=QII", handle, 1, 0)

    def read(self, _node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("=QQI", body)
        return os.pread(handle, size, offset)

    def write(self, _node: int, body: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("=QQI", body)
        return struct.pack("=II", os.pwrite(handle, body[40 : 40 + size], offset), 0)

    def sync(self, _node: int, _body: bytes) -> bytes:
        return b""

    def release(self, _node: int, body: bytes) -> bytes:
        os.close(struct.unpack_from("=Q", body)[0])
        return b""

    def open_directory(self, _node: int, _body: bytes) -> bytes:
        return struct.pack("=QII", 0, 0, 0)

    def read_directory(self, node: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("=QQI", body)
        path = self._real(self.paths[node])
        found = b""
        for number, name in enumerate([".", "..", *sorted(os.listdir(path))], 1):
            encoded = os.fsencode(name)
            status = os.lstat(path / name)
            entry = struct.pack("=QQII", status.st_ino, number, len(encoded), status.st_mode >> 12) + encoded
            entry += bytes(-len(entry) % 8)
            if number > offset:
                if len(found) + len(entry) > size:
                    break
                found += entry
        return found

    def make_directory(self, node: int, body: bytes) -> bytes:
        path = self._below(node, _name(body[8:]))
        self._real(path).mkdir(mode=struct.unpack_from("=I", body)[0] & 0o7777)
        return self._entry(path)

    def unlink(self, node: int, body: bytes) -> bytes:
        self._real(self._below(node, _name(body))).unlink()
        return b""

    def remove_directory(self, node: int, body: bytes) -> bytes:
        self._real(self._below(node, _name(body))).rmdir()
        return b""

    def rename(self, node: int, body: bytes, start: int = 8) -> bytes:
        target_node = struct.unpack_from("=Q", body)[0]
        old, new = body[start:].split(b"\0")[:2]
        source, target = self._below(node, os.fsdecode(old)), self._below(target_node, os.fsdecode(new))
        self._real(source).rename(self._real(target))
        moved = self.nodes.pop(source, None)
        replaced = self.nodes.pop(target, None)
        if replaced is not None:
            self.paths[replaced] = target
        if moved is not None:
            self.nodes[target], self.paths[moved] = moved, target
        return b""

    def rename_with_flags(self, node: int, body: bytes) -> bytes:
        return self.rename(node, body, 16)

    def room(self, _node: int, _body: bytes) -> bytes:
        found = os.statvfs(self.behind)
        sizes = (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)
        return struct.pack("=QQQQQIII28x", *sizes, found.f_bsize, found.f_namemax, found.f_frsize)

    # What they have in common

    def _real(self, path: str) -> Path:
        return self.behind / path

    def _below(self, node: int, name: str) -> str:
        return os.path.join(self.paths[node], name)

    def _entry(self, path: str) -> bytes:
        attributes = self._packed(os.lstat(self._real(path)))
        if path not in self.nodes:
            node = self.nodes[path] = max(self.paths) + 1
            self.paths[node] = path
        return struct.pack("=QQQQII", self.nodes[path], 0, 0, 0, 0, 0) + attributes

    def _attributes(self, path: str) -> bytes:
        return struct.pack("=QII", 0, 0, 0) + self._packed(os.lstat(self._real(path)))

    def _packed(self, status: os.stat_result) -> bytes:
        times = (status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)
        return struct.pack(
            "=QQQQQQIIIIIIIIII",
            status.st_ino, status.st_size, status.st_blocks, *(each // 10**9 for each in times),
            *(each % 10**9 for each in times), status.st_mode, status.st_nlink, status.st_uid, status.st_gid, 0,
            4096, 0,
        )  # fmt: skip


def _name(body: bytes) -> str:
    return os.fsdecode(body.split(b"\0", 1)[0])


_FORGET, _INTERRUPT, _BATCH_FORGET = 2, 36, 42
_NAMED = {1: 0, 9: 8, 10: 0, 11: 0, 35: 16}
"""Offset of the name in the body, by request: lookup, mkdir, unlink, rmdir, create."""
_Answer = Callable[[_Server, int, bytes], bytes]
_ANSWERS: dict[int, _Answer] = {
    1: _Server.look_up,
    3: _Server.attributes,
    4: _Server.change,
    9: _Server.make_directory,
    10: _Server.unlink,
    11: _Server.remove_directory,
    12: _Server.rename,
    14: _Server.open,
    15: _Server.read,
    16: _Server.write,
    17: _Server.room,
    18: _Server.release,
    20: _Server.sync,
    25: _Server.sync,
    26: _Server.init,
    27: _Server.open_directory,
    28: _Server.read_directory,
    29: _Server.sync,
    30: _Server.sync,
    35: _Server.create,
    45: _Server.rename_with_flags,
}


def _main(behind: Path, place: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if _LIBC.mount(b"hanging", os.fsencode(place), b"fuse", 6, options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(place))
    sys.stdout.write("mounted\n")
    sys.stdout.flush()
    _Server(device, behind).serve()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
