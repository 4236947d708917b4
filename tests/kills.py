"""`kill -9` on real training jobs, at moments drawn at random, and what became of them.

python tests/kills.py 50        a line for each kill, and at the end how many ended with the same bits
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from checkouts import Checkout

from isthmus import tensors
from isthmus.data.prepare import prepare
from isthmus.paths import prepared

STEPS = 3000
SAVE_EVERY = 0.05
RUNS = ("sgd", "adam")
_DATA = "digits/draw-1000/unit"


@dataclass(frozen=True)
class Kill:
    """What became of one killed job.

    drawn: the step around which it was killed, uniform between its first save and 90 % of the run. found: the step
    of the save that it left. resumed, taken: from which step the same command went on, and how many it took, by its
    log. halfway: whether a half-written save was left too. same: whether the chunk has the bits of a job let be.
    """

    run: str
    drawn: int
    found: int
    resumed: int
    taken: int
    halfway: bool
    same: bool

    def __str__(self) -> str:
        killed = f"{self.run:4} killed near step {self.drawn:4} ({self.drawn / STEPS:3.0%})"
        found = f"save of step {self.found:4} found" + (", a half-written one too" if self.halfway else "")
        same = f"same bits: {'yes' if self.same else 'NO'}"
        return f"{killed}, resumed at {self.resumed:4}, took {self.taken:4} steps, {same}; {found}"


class Jobs:
    """Training jobs of the toy room in a checkout of their own, made to take some seconds."""

    def __init__(self, root: Path) -> None:
        self.root = Checkout.make(root).root
        study = self.root / "src/isthmus/papers/toy/study.yaml"
        study.write_text(study.read_text().replace("time: 10it", f"time: {STEPS}it"))
        prepare(_DATA, self.root / prepared(_DATA), None)
        self.whole = {run: self._let_be(run) for run in RUNS}

    def out(self, run: str) -> Path:
        """The chunk that a run's job writes."""
        return self.root / f"results/laptop/toy/runs/{run}/chunk-000.safetensors"

    def save(self, run: str) -> Path:
        """The save of its state."""
        return self.root / f"scratch/results/laptop/toy/runs/{run}/chunk-000.state.safetensors"

    def start(self, run: str, save_every: float = SAVE_EVERY) -> subprocess.Popen:
        """The job, begun; both of its streams are piped."""
        command = [sys.executable, "-m", "isthmus", "train", "toy", run, "0", "--save-every", str(save_every)]
        environment = {**os.environ, "PYTHONPATH": str(self.root / "src"), "OMP_NUM_THREADS": "1"}
        environment.pop("ISTHMUS_ROOT", None)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=self.root, env=environment, **pipes)

    def finish(self, run: str) -> str:
        """What the job prints when it is let be."""
        said, faults = (job := self.start(run)).communicate()
        assert job.returncode == 0, faults
        return said

    def taken_up(self, run: str) -> tuple[int, int, bytes]:
        """The step from which the job goes on, how many it takes, and the chunk, which is then removed."""
        said = self.finish(run)
        (resumed,) = re.findall(r"^going on from step (\d+) ", said, flags=re.MULTILINE)
        (taken,) = re.findall(rf"^(\d+) of {STEPS} steps taken with", said, flags=re.MULTILINE)
        assert not [*self.save(run).parent.iterdir()], "a job that ended well leaves nothing in scratch"
        return int(resumed), int(taken), self._removed(run)

    def kill(self, run: str, rng: random.Random) -> Kill:
        """Kill the run's job at a random moment, then call it again."""
        while True:
            job = self.start(run)
            drawn = self._wait(job, run, rng)
            job.kill()
            job.communicate()
            if not self.out(run).exists():
                break
            self._removed(run)  # it had ended sooner than foreseen: no kill
        assert job.returncode == -signal.SIGKILL, "it was alive"
        halfway = len([*self.save(run).parent.iterdir()]) > 1
        found = tensors.header(self.save(run))["step"]
        resumed, taken, chunk = self.taken_up(run)
        return Kill(run, drawn, found, resumed, taken, halfway, chunk == self.whole[run])

    def _wait(self, job: subprocess.Popen, run: str, rng: random.Random) -> int:
        """A step drawn between the first save and 90 % of the run, when it is about to be taken."""
        first, before, seen = None, 0.0, 0
        while job.poll() is None:
            time.sleep(0.002)
            if not self.save(run).exists():
                continue
            if (written := self.save(run).stat().st_mtime) != seen:
                step, seen = tensors.header(self.save(run))["step"], written
            if first is None:
                first, before = step, seen
                drawn = rng.randint(step, int(0.9 * STEPS))
            rate = (step - first) / (seen - before) if seen > before else 0.0
            if step + rate * (time.time() - seen) >= drawn:
                return drawn
        return 0

    def _let_be(self, run: str) -> bytes:
        said = self.finish(run)
        assert "going on" not in said
        return self._removed(run)

    def _removed(self, run: str) -> bytes:
        content = self.out(run).read_bytes()
        self.out(run).unlink()
        return content


def main(kills: int) -> int:
    """Kill so many jobs, and print what became of each; the exit code is 0 if all ended with the same bits."""
    rng, done = random.Random(kills), []
    folder = Path(tempfile.mkdtemp(prefix="isthmus kills "))
    try:
        jobs = Jobs(folder)
        for number in range(kills):
            done.append(jobs.kill(RUNS[number % len(RUNS)], rng))
            print(f"{number + 1:3}  {done[-1]}", flush=True)
    finally:
        shutil.rmtree(folder)
    same, halfway = sum(kill.same for kill in done), sum(kill.halfway for kill in done)
    went_on = sum(kill.resumed == kill.found == STEPS - kill.taken for kill in done)
    print(f"{kills} kills of runs of {STEPS} steps, {halfway} of them in the middle of a save:")
    print(f"{went_on} went on from their save's step and took only what was left, {same} ended with the same bits")
    return 0 if same == went_on == kills else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
