"""What a cluster does to jobs, done to one on a real SLURM, and whether its chunk has the bits of a local build.

python tests/cluster_faults.py [NAME ...]        a line for each fault; of scancel, kill, ... or all
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from checkouts import Checkout
from cluster import Cluster

# Longer than SLURM takes to end a job whose limit is a minute: it looks every half minute.
STEPS = 400_000
_TARGET = "results/laptop/toy/runs/sgd/chunk-000.safetensors"
_LOG = "logs/laptop/toy/train.sgd.000.log"


class Scene:
    """A cluster, and a checkout whose toy room has one job that takes two minutes or so."""

    def __init__(self, folder: Path) -> None:
        self.cluster, self.checkout = Cluster.start(folder / "cluster"), Checkout.make(folder / "checkout")
        self.edit("time: 10it", f"time: {STEPS}it")
        self.checkout.must("snakemake", _TARGET, "--cores", "1", "--quiet")
        self.whole = self._taken_away()

    def edit(self, old: str, new: str) -> None:
        """Another text in the toy's study."""
        study = self.checkout.root / "src/isthmus/papers/toy/study.yaml"
        assert old in study.read_text(), old
        study.write_text(study.read_text().replace(old, new))

    def submit(self) -> subprocess.Popen:
        """The call of snakemake, begun."""
        environment = {**self.checkout.environment, "SLURM_CONF": self.cluster.environment["SLURM_CONF"]}
        environment["PATH"] = f"{self.cluster.folder}/bin{os.pathsep}{environment['PATH']}"
        command = ["snakemake", _TARGET, "--profile", "profiles/slurm", "--latency-wait", "5",
                   "--default-resources", "slurm_partition=cpu",
                   "--slurm-init-seconds-before-status-checks", "2"]  # fmt: skip
        log = (self.checkout.root / "snakemake.log").open("a")
        return subprocess.Popen(
            command, cwd=self.checkout.root, env=environment, stdout=log, stderr=log, start_new_session=True
        )

    def job(self) -> str:
        """The number of the job that runs, once its training has begun and is saved."""
        save = self.checkout.root / "scratch" / Path(_TARGET).with_suffix(".state.safetensors")
        _until(save.exists, 120, "a save of the job")
        (number,) = self.cluster.ask("squeue", "--noheader", "--format=%i", "--states=RUNNING").split()
        return number

    def training(self) -> int:
        """The process that trains."""
        found = subprocess.run(["pgrep", "-f", "isthmus train toy sgd 0"], capture_output=True, text=True)
        return max(map(int, found.stdout.split()))

    def states(self) -> list[str]:
        """What became of each job that SLURM has had, in order."""
        lines = self.cluster.ask("scontrol", "show", "jobs", "--oneliner").splitlines()
        found = [re.search(r"JobId=(\d+).* JobState=(\S+)", line) for line in lines]
        return [state for _, state in sorted((int(one[1]), one[2]) for one in found if one)]

    def idle(self) -> bool:
        """Whether no job waits or runs."""
        return not self.cluster.ask("squeue", "--noheader")

    def begin(self) -> None:
        """Nothing of an earlier fault is left."""
        for part in ("results", "scratch", ".snakemake", "snakemake.log"):
            path = self.checkout.root / part
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def outcome(self) -> tuple[bool, str]:
        """Whether the chunk has the bits of the local build, and what the last try said of its beginning."""
        log = (self.checkout.root / _LOG).read_text()
        went_on = re.search(r"going on from step \d+", log)
        return self._taken_away() == self.whole, went_on[0] if went_on else "from the start"

    def _taken_away(self) -> bytes:
        path = self.checkout.root / _TARGET
        content = path.read_bytes()
        path.unlink()
        return content


def _until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"wanted {what} within {seconds:.0f} s, found none")
        time.sleep(0.2)


def scancel(scene: Scene) -> None:
    """The job is cancelled."""
    scene.cluster.ask("scancel", scene.job())


def kill(scene: Scene) -> None:
    """The process that trains is killed with -9."""
    scene.job()
    os.kill(scene.training(), signal.SIGKILL)


def time_limit(scene: Scene) -> None:
    """The job's time is up."""
    scene.cluster.ask("scontrol", "update", f"JobId={scene.job()}", "TimeLimit=1")


def memory_limit(scene: Scene) -> None:
    """The job takes more memory than it asked for; the next try asks for twice as much."""
    _until(lambda: "OUT_OF_MEMORY" in scene.states() or "FAILED" in scene.states(), 300, "a job killed for memory")


def node_down(scene: Scene) -> None:
    """The node goes down, and comes back."""
    scene.job()
    (node,) = scene.cluster.ask("sinfo", "--noheader", "--format=%n", "--partition=cpu").split()
    scene.cluster.ask("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test")
    time.sleep(5)
    # It may have come back by itself (ReturnToService).
    if "down" in scene.cluster.ask("sinfo", "--noheader", "--format=%T"):
        scene.cluster.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


def controller(scene: Scene) -> None:
    """slurmctld is ended and started again while the job runs."""
    scene.job()
    scene.cluster.stop_controller()
    time.sleep(5)
    scene.cluster.start_controller()


def submitter(scene: Scene) -> None:
    """Snakemake itself is killed with -9; once its job has ended it is unlocked and called again, by `survives`."""
    scene.job()


FAULTS = {
    function.__name__: function
    for function in (scancel, kill, time_limit, memory_limit, node_down, controller, submitter)
}


# Those that leave the job itself alone.
_BESIDE = {"controller", "submitter"}


def survives(scene: Scene, name: str) -> tuple[bool, str]:
    """Whether the fault of this name struck and leaves the right chunk, and a line about it."""
    scene.begin()
    if name == "memory_limit":
        scene.edit("laptop: {minutes: 0.2}", "laptop: {minutes: 0.2, resources: {mem_mb: 300}}")
    before, call = len(scene.states()), scene.submit()
    try:
        FAULTS[name](scene)
        if name == "submitter":
            call.kill()
            call.wait()
            _until(scene.idle, 300, "an end of the job that goes on alone")
            scene.checkout.must("snakemake", "--unlock")
            call = scene.submit()
        code = call.wait(timeout=900)
    except BaseException:
        call.kill()
        print((scene.checkout.root / "snakemake.log").read_text()[-4000:])
        raise
    finally:
        if name == "memory_limit":
            scene.edit("laptop: {minutes: 0.2, resources: {mem_mb: 300}}", "laptop: {minutes: 0.2}")
    if code != 0:
        return False, f"{name}: {(scene.checkout.root / 'snakemake.log').read_text()[-3000:]}"
    same, began = scene.outcome()
    states = scene.states()[before:]
    struck = name in _BESIDE or len(states) > 1 or began != "from the start"
    line = f"{name:13} jobs: {', '.join(states)}; last try {began}; same bits: {same}"
    return same and struck, line if struck else f"{line}; but the fault never struck the job"


def main(names: list[str]) -> int:
    """Do each fault; the exit code is 0 if all were survived."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-cluster-"))
    scene = Scene(folder)
    try:
        good = []
        for name in names:
            same, line = survives(scene, name)
            good.append(same)
            print(line, flush=True)
    finally:
        scene.cluster.stop()
        shutil.rmtree(folder)
    print(f"{sum(good)} of {len(good)} faults of the cluster survived, with the bits of a local build")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or [*FAULTS]))
