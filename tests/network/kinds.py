"""The file systems that the hosts of the guest mount, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from network.guest import Guest, Host


@dataclass(frozen=True)
class Kind:
    """Way in which the server's directories are mounted."""

    name: str
    type: str
    options: str
    restart: str
    """Lines of shell by which the server restarts."""
    shared: bool = True
    """Whether locks are said to be shared between the hosts."""
    leases: bool = True
    """Whether the server gives the locks of a host that is cut off to others."""

    def source(self, host: Host, share: str) -> str:
        """What is mounted on this host."""
        server = {"a": "10.0.1.1", "b": "10.0.2.1"}[host.name]
        return f"//{server}/{share}" if self.type == "cifs" else f"{server}:/srv/{share}"

    def place(self, share: str = "music") -> str:
        """The directory in which a share is mounted, the same on every host.

        `small` is soon full; in `both` the server works as well: Samba keeps locks from clients' caches there.
        """
        return f"/mnt/{self.name}/{share}"


_SMB = "vers=3.1.1,username=root,password=secret"
_NFSD = "rpc.nfsd 0; rpc.nfsd 4; sm-notify -f"
_SMBD = "smb=$(cat /run/smbd.pid); kill $smb; while [ -e /proc/$smb ]; do sleep 0.2; done; smbd -D"
NFS4 = Kind("nfs4", "nfs", "vers=4.2", _NFSD)
NFS3 = Kind("nfs3", "nfs", "vers=3", _NFSD, leases=False)
NFS3_NOLOCK = Kind("nfs3-nolock", "nfs", "vers=3,nolock", _NFSD, shared=False)
SMB = Kind("smb", "cifs", _SMB, _SMBD)
SMB_NOBRL = Kind("smb-nobrl", "cifs", f"{_SMB},nobrl", _SMBD, shared=False)

KINDS = (NFS4, NFS3, NFS3_NOLOCK, SMB, SMB_NOBRL)
SHARED = tuple(kind for kind in KINDS if kind.shared)

_MOUNT = """
while [ $# -gt 0 ]; do
    mkdir -p "$4"
    tries=0
    # A server that has just been started closes its first connections.
    until mount -t "$1" -o "$2" "$3" "$4"; do tries=$((tries + 1)); [ $tries -lt 20 ]; sleep 0.5; done
    shift 4
done
"""


def mount_all(guest: Guest, kinds: Iterable[Kind] = KINDS) -> None:
    """Mount by each of these kinds on both hosts, at the same time; the other shares where locks are shared."""
    mounting = [host.start("sh", "-euc", _MOUNT, "sh", *_arguments(host, kinds)) for host in (guest.a, guest.b)]
    for program in mounting:
        done = program.wait()
        assert done.code == 0, done


def _arguments(host: Host, kinds: Iterable[Kind]) -> list[str]:
    return [
        each
        for kind in kinds
        for share in (("music", "both", "small") if kind.shared else ("music",))
        for each in (kind.type, kind.options, kind.source(host, share), kind.place(share))
    ]
