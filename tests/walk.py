"""A new user's walk: the commands of README.md, called in a clean clone, each timed and its result looked at.

    python tests/walk.py

What is committed is cloned and runs; the environment is the caller's. Ends with 1 and the step's name where
a step fails or does not do what README.md promises.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import readme
from checkouts import SOURCE, Checkout
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from isthmus import store, verdict_file

FIRST, VARIED, OWN = (
    "the first verdicts",
    "a varied recipe beside the published one",
    "a room of one's own at smoke scale",
)


class BrokenError(Exception):
    """A step that README.md has and that does not do what it promises."""


class Walk:
    """A clean clone, the steps taken in it, and the seconds of each."""

    def __init__(self, root: Path) -> None:
        subprocess.run(["git", "clone", "--quiet", SOURCE, root], check=True)
        self.checkout = Checkout(root)
        self.parts = readme.parts(root / "README.md")
        self.times: list[tuple[str, str, float]] = []

    def take(self, part: str) -> dict[str, str]:
        """Take the steps of a part; returns what each command printed. BrokenError for one that fails."""
        printed = {}
        for step in self.parts[part]:
            if isinstance(step, readme.Code):
                step.write(self.checkout.root)
                continue
            print(f"{part}: {step.line}", flush=True)
            began = time.monotonic()
            done = self.checkout.run(*step.words, COLUMNS="80")
            self.times.append((part, step.line, time.monotonic() - began))
            if done.returncode != 0:
                raise BrokenError(
                    f"{part}: {step.line}: wanted exit code 0, found {done.returncode}\n{done.stdout}"
                )
            printed[step.line] = done.stdout
        return printed

    def room(self, part: str) -> str:
        """The target of a part's first call of Snakemake, a paper or a variant; BrokenError if there is none."""
        for step in self.parts.get(part, []):
            if isinstance(step, readme.Command) and step.words[0] == "snakemake":
                return step.words[1]
        raise BrokenError(f"README.md: wanted a call of snakemake after <!-- walk: {part} -->, found none")

    def files(self, room: str) -> dict[Path, str]:
        """Every file of a room's results at laptop scale, with its checksum."""
        found = self.checkout.root.glob(f"results/laptop/{room}/**/*")
        return {path: store.file_digest(path) for path in sorted(found) if path.is_file()}

    def result(self, room: str, scale: str = "laptop") -> dict[str, Any]:
        """A room's verdict.json."""
        return verdict_file.read(self.checkout.root / "results" / scale / room / "verdict.json")


def must(part: str, promise: str, kept: bool) -> None:
    """BrokenError unless README.md's promise is kept."""
    if not kept:
        raise BrokenError(f"{part}: README.md promises {promise}, and that is not so")


def shows(printed: dict[str, str], command: str, result: dict[str, Any]) -> bool:
    """Whether the table that such a command printed has a line for each claim with its verdict."""
    (table,) = (text for line, text in printed.items() if line.startswith(command))
    lines = [line.split() for line in table.replace("│", " ").splitlines()]
    wanted = [(name, claim["verdict"].split()[0]) for name, claim in result["claims"].items()]
    return all(any({name, word} <= {*line} for line in lines) for name, word in wanted)


def walk(there: Walk) -> None:
    """Go through the parts in README.md's order; BrokenError at the first that does not do what it should."""
    paper = there.room(FIRST)
    printed, result = there.take(FIRST), there.result(paper)
    must(FIRST, "a verdict for every claim", shows(printed, "isthmus verdicts", result))
    must(FIRST, "the published verdicts beside them", shows(printed, "isthmus compare", result))
    again = there.checkout.snakemake(paper)
    must(FIRST, "nothing to do when called again", "Nothing to be done" in again.stdout)

    variant, before = there.room(VARIED), there.files(paper)
    printed, varied = there.take(VARIED), there.result(variant)
    must(VARIED, f"{variant} beside {paper}", shows(printed, "isthmus compare", varied))
    must(VARIED, "another recipe", varied["recipes"] != result["recipes"])
    must(VARIED, "to overwrite nothing", there.files(paper) == before)

    own = there.room(OWN)
    printed = there.take(OWN)
    must(OWN, "a verdict", shows(printed, "isthmus verdicts", there.result(own, "smoke")))


def main() -> int:
    """The walk; prints a line per command with its seconds."""
    with tempfile.TemporaryDirectory(prefix="isthmus-walk-") as folder:
        there = Walk(Path(folder) / "isthmus")
        try:
            walk(there)
        except BrokenError as broken:
            print(f"walk: {broken}", file=sys.stderr)
            return 1
        finally:
            show(there)
    return 0


def show(there: Walk) -> None:
    """Print the seconds of each command, of each part and in all."""
    table = Table("to", "command", "s", box=SIMPLE_HEAD)
    for part, line, seconds in there.times:
        table.add_row(part, line, f"{seconds:.0f}")
    table.add_section()
    table.add_row("", "in all", f"{sum(seconds for *_, seconds in there.times):.0f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
