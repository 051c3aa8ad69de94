"""POSIX ACLs as getfacl writes and setfacl takes them, with numeric names: read, changed, written."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

_DEFAULT = "default:"
_NAMED = re.compile(r"(user:\d+|group:\d*)\Z")
_ORDER = {"user": 0, "group": 1, "mask": 2, "other": 3}
_ODD = re.compile(rb"[\x00-\x20\\\x7f-\xff]")
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_RIGHTS = "rwx"


@dataclass(frozen=True)
class Acl:
    """The ACL of a directory or file, with what a directory passes on."""

    entries: Mapping[str, frozenset[str]]
    """Any of the letters rwx for "user:", "user:1000", "group:", "mask:", "other:", and the same behind "default:"."""
    flags: str = ""
    """Set-user-ID, set-group-ID and sticky bit as getfacl writes them, which setfacl would clear otherwise."""

    def names(self, user: int) -> bool:
        """Tell whether there is an entry of this user."""
        return not {f"user:{user}", f"{_DEFAULT}user:{user}"}.isdisjoint(self.entries)

    def lets_read(self, user: int, groups: Collection[int], owner: int, group: int) -> bool:
        """Tell whether a user in these groups may read what `owner` and `group` have, by the rules of acl(5)."""
        if user == owner:
            return "r" in self.entries["user:"]
        if f"user:{user}" in self.entries:
            return "r" in self._effective("", f"user:{user}")
        keys = ["group:"] * (group in groups) + [key for each in groups if (key := f"group:{each}") in self.entries]
        if keys:
            return any("r" in self._effective("", key) for key in keys)
        return "r" in self.entries["other:"]

    def with_user(self, user: int, rights: str) -> Acl:
        """Give a user at least these rights; those of all others stay as they are in effect."""
        return self.widened("", {f"user:{user}": _letters(rights)})

    def with_heirs(self, user: int, owner: int | None, group: int) -> Acl:
        """Let `user` do everything in a directory's files and directories to come.

        What `user` makes belongs to it: so `owner` and `group` get entries too, the group with its rights here.
        """
        inherited = self._inheriting()
        wanted = {f"user:{user}": _letters(_RIGHTS)}
        if owner is not None and f"{_DEFAULT}user:{owner}" not in inherited.entries:
            wanted[f"user:{owner}"] = _letters(_RIGHTS)
        of_group = self._effective("", "group:")
        if group and of_group and f"{_DEFAULT}group:{group}" not in inherited.entries:
            wanted[f"group:{group}"] = of_group
        return inherited.widened(_DEFAULT, wanted)

    def _inheriting(self) -> Acl:
        """Add a default ACL where there is none: what the directory itself grants to owner, group and others."""
        entries = dict(self.entries)
        if f"{_DEFAULT}user:" not in entries:
            for key in ("user:", "group:", "other:"):
                entries[_DEFAULT + key] = self._effective("", key)
        return Acl(entries, self.flags)

    def without(self, user: int) -> Acl:
        """Take this user's entries out; no other gets more rights by that."""
        entries = dict(self.entries)
        for kind in ("", _DEFAULT):
            if entries.pop(f"{kind}user:{user}", None) is None:
                continue
            rest = _group_class(entries, kind)
            if rest == {f"{kind}group:"}:
                entries[f"{kind}group:"] &= entries.pop(f"{kind}mask:")
            else:
                entries[f"{kind}mask:"] &= frozenset().union(*(entries[key] for key in rest))
        return Acl(entries, self.flags)

    def section(self, path: str) -> bytes:
        """Write it as in a file for `setfacl --restore`. Owner and group are left out: they stay as they are."""
        name = _ODD.sub(lambda odd: b"\\%03o" % odd[0][0], os.fsencode(path))
        lines = [f"{key}:{_text(rights)}" for key, rights in sorted(self.entries.items(), key=_place)]
        flags = f"# flags: {self.flags}\n" if self.flags else ""
        return b"# file: " + name + b"\n" + (flags + "\n".join(lines)).encode() + b"\n\n"

    def widened(self, kind: str, wanted: Mapping[str, frozenset[str]]) -> Acl:
        """Give at least these rights, in the ACL itself (`kind` is "") or in what is passed on ("default:").

        Others' entries are cut to what the mask left of them, since a wider mask would give them more.
        """
        missing = {key: rights for key, rights in wanted.items() if not rights <= self._effective(kind, key)}
        if not missing:
            return self
        entries = dict(self.entries)
        for key in _group_class(entries, kind):
            entries[key] = self._effective(kind, key.removeprefix(_DEFAULT))
        for key, rights in missing.items():
            entries[kind + key] = entries.get(kind + key, frozenset()) | rights
        entries[f"{kind}mask:"] = frozenset().union(*(entries[key] for key in _group_class(entries, kind)))
        return Acl(entries, self.flags)

    def _effective(self, kind: str, key: str) -> frozenset[str]:
        """Find what an entry grants in effect: the mask limits all but the owner's and the others'."""
        rights = self.entries.get(kind + key, frozenset())
        return rights & self.entries.get(f"{kind}mask:", rights) if _NAMED.match(key) else rights


def sections(content: bytes) -> Iterator[tuple[str, Acl]]:
    """Read each whole section of a file of ACLs: the path, and its ACL. One that breaks off is left out."""
    for text in content.split(b"\n\n")[:-1]:
        name, flags, entries = "", "", {}
        for line in text.split(b"\n"):
            if line.startswith(b"# file: "):
                name = os.fsdecode(_ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), line[8:]))
            elif line.startswith(b"# flags: "):
                flags = line[9:].decode()
            elif line and not line.startswith(b"#"):
                key, _, rights = line.decode().rpartition(":")
                entries[key] = _letters(rights)
        yield name, Acl(entries, flags)


def _group_class(entries: Mapping[str, object], kind: str) -> set[str]:
    """The entries that the mask limits."""
    return {key for key in entries if key.startswith(kind) and _NAMED.match(key.removeprefix(kind))}


def _letters(rights: str) -> frozenset[str]:
    return frozenset(rights) & frozenset(_RIGHTS)


def _text(rights: frozenset[str]) -> str:
    return "".join(letter if letter in rights else "-" for letter in _RIGHTS)


def _place(entry: tuple[str, object]) -> tuple[bool, int, int]:
    """Order an entry as getfacl does."""
    kind, _, name = entry[0].removeprefix(_DEFAULT).partition(":")
    return entry[0].startswith(_DEFAULT), _ORDER[kind], int(name or -1)
