"""A real SLURM of one node in a folder of its own, without systemd: Debian's munged, slurmctld and slurmd.

python tests/cluster.py start FOLDER && . FOLDER/env.sh        to try a profile by hand
python tests/cluster.py stop FOLDER
"""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_SBIN = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"

_SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/run/munge.sock
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Without it a job that asks for no memory takes the whole node.
DefMemPerCPU=200
# Every second a job's memory is read; above what it asked for it is killed.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# A job over its time gets SIGTERM, and SIGKILL so many seconds later.
KillWait=15
SchedulerParameters=batch_sched_delay=1,sched_interval=1,bf_interval=1
MinJobAge=3600
ReturnToService=2
AccountingStorageType=accounting_storage/none
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:2
PartitionName=cpu Nodes=ALL Default=YES MaxTime=120 State=UP
PartitionName=gpu Nodes=ALL MaxTime=120 State=UP
"""

_GRES_CONF = """\
AutoDetect=off
NodeName={host} Name=gpu File={folder}/gpu[0-1] Flags=nvidia_gpu_env
"""


def missing() -> list[str]:
    """Which of the programs are not installed; empty where a cluster can be started."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_SBIN) is None]
    # Stand-ins for GPUs are device files, which only root can make.
    return lacking if os.geteuid() == 0 else [*lacking, "root"]


@dataclass(frozen=True)
class Cluster:
    """Two partitions, `cpu` and `gpu`, on this machine as a node: so many cores, 8 GB, two stand-in GPUs."""

    folder: Path

    @classmethod
    def start(cls, folder: Path, cpus: int = 4) -> "Cluster":
        """A cluster that takes jobs, its folder made for it. RuntimeError where it does not come up."""
        cluster = cls(folder.resolve())
        cluster._write(cpus)
        run = cluster.folder / "run"
        _daemon("munged", "--force", f"--key-file={cluster.folder}/munge.key", f"--socket={run}/munge.sock",
                f"--pid-file={run}/munged.pid", f"--log-file={cluster.folder}/log/munged.log",
                f"--seed-file={run}/seed")  # fmt: skip
        cluster.start_controller()
        _daemon("slurmd", environment=cluster.environment)
        cluster._wait_until_idle()
        return cluster

    @property
    def environment(self) -> dict[str, str]:
        """Variables for whoever submits: this cluster, and an srun that finds it."""
        path = f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": path}

    def ask(self, *command: str) -> str:
        """What a command of SLURM's prints, which must end well."""
        return subprocess.run(
            command, env=self.environment, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def start_controller(self) -> None:
        """Start slurmctld, which goes on from the state that it finds."""
        _daemon("slurmctld", environment=self.environment)

    def stop_controller(self) -> None:
        """End slurmctld, jobs go on without."""
        self._end("slurmctld")

    def stop(self) -> None:
        """End all jobs and all that was started."""
        with suppress(subprocess.SubprocessError):
            self.ask("scancel", "--full", "--user", pwd.getpwuid(os.geteuid()).pw_name)
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name)

    def _write(self, cpus: int) -> None:
        """Key, settings, device files, and the srun that jobs find."""
        for part in ("state", "spool", "log", "run", "bin"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        # munged refuses a socket where others may not look for it.
        for part in (self.folder, self.folder / "run"):
            part.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        facts = {
            "folder": self.folder,
            "host": socket.gethostname().partition(".")[0],
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "controller_port": _free_port(),
            "node_port": _free_port(),
            "cpus": cpus,
            "memory": 8000,
        }
        (self.folder / "slurm.conf").write_text(_SLURM_CONF.format(**facts))
        (self.folder / "gres.conf").write_text(_GRES_CONF.format(**facts))
        for number in range(2):
            # /dev/null by another name: SLURM counts device files.
            os.mknod(self.folder / f"gpu{number}", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        # Snakemake's job step calls srun without SLURM_CONF.
        srun = self.folder / "bin/srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec /usr/bin/srun "$@"\n')
        srun.chmod(0o755)
        (self.folder / "env.sh").write_text(
            f"export SLURM_CONF={self.folder}/slurm.conf PATH={self.folder}/bin:$PATH\n"
        )

    def _wait_until_idle(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(subprocess.SubprocessError):
                if {*self.ask("sinfo", "--noheader", "--format=%T").split()} <= {"idle", "mixed"}:
                    return
            time.sleep(0.1)
        logs = "\n".join(path.read_text()[-2000:] for path in (self.folder / "log").glob("slurm*.log"))
        self.stop()
        raise RuntimeError(f"SLURM did not come up within {seconds} s\n{logs}")

    def _end(self, name: str) -> None:
        """SIGTERM to a daemon; comes back when it is gone."""
        with suppress(FileNotFoundError, ProcessLookupError, ValueError):
            process = int((self.folder / f"run/{name}.pid").read_text())
            for number in range(100):
                os.kill(process, signal.SIGTERM if number == 0 else 0)
                time.sleep(0.1)
            os.kill(process, signal.SIGKILL)


def _daemon(program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
    """Start a program that puts itself in the background."""
    command = [shutil.which(program, path=_SBIN), *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=60)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    what, folder = sys.argv[1:]
    if what == "start":
        Cluster.start(Path(folder))
    else:
        Cluster(Path(folder).resolve()).stop()
