"""`kill -9` on Snakemake at random moments of a paper's smoke build, jobs left alone, and the same command again.

python tests/builds_killed.py 20        a line for each kill, and at the end how many ended with the same bits
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checkouts import Checkout

PAPER = "ot_lmc"


class Builds:
    """A checkout with the paper at smoke scale, built once: how long it took, and what came of it."""

    def __init__(self, root: Path) -> None:
        self.checkout = Checkout.make(root, PAPER)
        began = time.monotonic()
        assert self._start().wait() == 0
        self.seconds = time.monotonic() - began
        self.whole = self.results()

    def _start(self) -> subprocess.Popen:
        command = ["snakemake", PAPER, "--cores", "2", "--quiet", "--config", "scale=smoke"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(
            command, cwd=self.checkout.root, env=self.checkout.environment, start_new_session=True, **quiet
        )

    def results(self) -> dict[str, bytes]:
        """Path -> content of every result, but for the record of their making, which has its time.

        What a job that outlives its build is still writing has a hidden name, and is no result.
        """
        found = (self.checkout.root / f"results/smoke/{PAPER}").rglob("[!.]*")
        return {str(path): path.read_bytes() for path in found if path.is_file() and path.name != "provenance.json"}

    def kill(self, rng: random.Random) -> tuple[bool, str]:
        """Kill a build once, and call it again; whether it then ends with the same bits, and a line about it."""
        while not (killed := self._killed(moment := rng.uniform(0.05, 0.9) * self.seconds)):
            pass  # it had ended sooner than foreseen: no kill
        finished = self.results()
        # At once: jobs of the killed build may be at work still, on what the second build begins.
        self.checkout.must("snakemake", "--unlock", "--cores", "1", "--quiet")
        same = self._start().wait() == 0 and self.results() == self.whole
        # Let what is left of the first build end before its folder is used again.
        while _group_lives(killed.pid):
            time.sleep(0.1)
        kept = all(self.whole.get(path) == content for path, content in finished.items())
        line = f"killed after {moment:5.1f} s of {self.seconds:.1f} s, {len(finished):2} results there"
        return same and kept, f"{line}; intact: {kept}, same bits at the end: {same}"

    def _killed(self, moment: float) -> subprocess.Popen | None:
        """A fresh build, killed after so many seconds; None if it had ended before."""
        for part in ("results", "scratch", ".snakemake", "data/prepared"):
            shutil.rmtree(self.checkout.root / part, ignore_errors=True)
        build = self._start()
        try:
            build.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            build.kill()
        return build if build.wait() == -signal.SIGKILL else None


def _group_lives(process: int) -> bool:
    try:
        os.killpg(process, 0)
    except ProcessLookupError:
        return False
    return True


def main(kills: int) -> int:
    """Kill so many builds; the exit code is 0 if all ended with the same bits."""
    rng, folder, good = random.Random(kills), Path(tempfile.mkdtemp(prefix="isthmus builds ")), 0
    try:
        builds = Builds(folder)
        for number in range(kills):
            same, line = builds.kill(rng)
            good += same
            print(f"{number + 1:3}  {line}", flush=True)
    finally:
        shutil.rmtree(folder)
    print(f"{good} of {kills} killed builds ended with the same bits, and lost nothing that was finished")
    return 0 if good == kills else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
