"""A Slurm of this machine's own: munged, slurmctld, and two nodes that share the host.

All of it lives in the namespaces that `./dev test-slurm` made, with its files in one directory, and ends with them.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.service import PROGRAMS, eventually

NODES = ("n1", "n2")
_PORTS = {"n1": 17001, "n2": 17002}
_CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
SlurmUser=root
AuthType=auth/munge
# What has to be over before a task is started again.
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldParameters=enable_configless
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
MessageTimeout=3
SlurmdTimeout=3
KillWait=5
ReturnToService=2
StateSaveLocation={directory}/state
SlurmctldPidFile={directory}/slurmctld.pid
SlurmctldLogFile={directory}/slurmctld.log
SlurmdSpoolDir={directory}/%n
SlurmdPidFile={directory}/%n.pid
SlurmdLogFile={directory}/%n.log
NodeName=n1 NodeHostname=localhost Port=17001 CPUs=4 RealMemory=12288
NodeName=n2 NodeHostname=localhost Port=17002 CPUs=4 RealMemory=12288
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Cluster:
    """A running cluster."""

    directory: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    """Its daemons by name."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which Slurm's commands find it."""
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        return {**os.environ, "SLURM_CONF": str(self.directory / "slurm.conf"), "PATH": path}

    def start(self, name: str, *command: str) -> None:
        """Start a daemon in the foreground; what it says is in a file of its name."""
        with (self.directory / f"{name}.out").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment, start_new_session=True
            )

    def run(self, *command: str, where: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run one of Slurm's commands; its output."""
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=where, env={**self.environment, **(env or {})}, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        """The last lines of what the daemons said."""
        files = sorted([*self.directory.glob("*.out"), *self.directory.glob("*.log")])
        return "\n".join(f"--- {each.name}\n" + each.read_text(errors="replace")[-2000:] for each in files)

    def submit(self, script: Path, *options: str, where: Path, **variables: object) -> str:
        """Submit a script as a user does, with `--export`; the job's number."""
        export = ",".join(["ALL", *(f"{name}={value}" for name, value in variables.items())])
        return self.run("sbatch", "--parsable", f"--export={export}", *options, str(script), where=where).strip()

    def tasks(self, job: str) -> dict[int, dict[str, str]]:
        """What Slurm tells of each task of an array that has been started, by its number."""
        found = {}
        for line in self.run("scontrol", "--oneliner", "show", "job", job).splitlines():
            told = dict(each.partition("=")[::2] for each in line.split())
            if told.get("ArrayTaskId", "").isdecimal():
                found[int(told["ArrayTaskId"])] = told
        return found

    def states(self, job: str) -> dict[int, str]:
        """The states of these tasks."""
        return {number: told["JobState"] for number, told in self.tasks(job).items()}

    def kill_node(self, node: str) -> None:
        """Have a machine go down: its daemon and every task on it are killed, and it does not come back."""
        daemon = self.processes.pop(node)
        name = f"[{node}]"
        doomed = [daemon.pid]
        for process in psutil.process_iter():
            try:
                line = process.cmdline()
                if line and line[0].startswith("slurmstepd") and self._is_of(process, node):
                    doomed += [process.pid, *(each.pid for each in process.children(recursive=True))]
            except psutil.NoSuchProcess:
                continue
        assert len(doomed) > 1, f"nothing ran on {name}"
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        daemon.wait()

    def _is_of(self, process: psutil.Process, node: str) -> bool:
        """Tell whether a task's keeper belongs to this node: its tasks know the node's name."""
        return any(each.environ().get("SLURMD_NODENAME") == node for each in process.children())


@contextmanager
def started(directory: Path) -> Iterator[Cluster]:
    """A cluster whose nodes are idle."""
    cluster = Cluster(directory)
    (directory / "state").mkdir()
    (directory / "slurm.conf").write_text(_CONFIGURATION.format(directory=directory))
    (directory / "slurm.conf").chmod(0o644)
    key = directory / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o400)
    socket = Path("/run/munge/munge.socket.2")
    socket.parent.mkdir(mode=0o755, exist_ok=True)
    socket.unlink(missing_ok=True)
    files = [f"--{name}-file={directory}/munge.{name}" for name in ("pid", "log", "seed")]
    try:
        cluster.start("munged", "munged", "--foreground", "--force", f"--key-file={key}", *files)
        eventually(socket.exists, what=cluster.log)
        cluster.start("slurmctld", "slurmctld-wlm", "-D")
        for node in NODES:
            cluster.start(node, "slurmd-wlm", "-D", "-N", node, "-d", "/usr/sbin/slurmstepd-wlm")
        eventually(lambda: cluster.run("sinfo", "-h", "-o", "%T %D").split() == ["idle", "2"], what=cluster.log)
        yield cluster
    finally:
        for process in cluster.processes.values():
            process.kill()
            process.wait()
