"""Copies of the project with the toy room among its papers, and real calls of snakemake and dvc in them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1]
_PARTS = (
    "Snakefile",
    "workflow",
    "profiles",
    "config",
    "src",
    ".dvc/config",
    ".dvcignore",
    ".gitignore",
    "pyproject.toml",
)
_TOY = Path("src/isthmus/papers/toy")


def commit(root: Path, *paths: str) -> None:
    """Make the folder a repository whose one commit holds these paths."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["add", *paths], ["commit", "--quiet", "--message", "one"]):
        subprocess.run([*git, *command], cwd=root, check=True)


@dataclass(frozen=True)
class Checkout:
    """A copy of the project; its code is what runs in it."""

    root: Path

    @classmethod
    def make(cls, root: Path, *papers: str) -> "Checkout":
        """A fresh copy in `root`, without results, with the toy room and these papers."""
        for part in (*_PARTS, "data/register.yaml"):
            copy = shutil.copytree if (SOURCE / part).is_dir() else shutil.copy
            (root / part).parent.mkdir(parents=True, exist_ok=True)
            copy(SOURCE / part, root / part)
        for study in root.glob("src/isthmus/papers/*/study.yaml"):
            if study.parent.name not in papers:
                shutil.rmtree(study.parent)
        shutil.copytree(SOURCE / "tests/toy", root / _TOY)
        return cls(root)

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a command runs this copy's code."""
        tools = Path(sys.executable).parent
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        ours = {**os.environ, "PATH": path, "PYTHONPATH": str(self.root / "src")}
        ours.pop("ISTHMUS_ROOT", None)
        return ours

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess:
        """The command's exit code and all that it printed, in one stream; variables: of its environment besides."""
        return subprocess.run(
            command,
            cwd=self.root,
            env={**self.environment, **variables},
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def must(self, *command: str) -> str:
        """What a command printed that had to end well."""
        done = self.run(*command)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """A call of snakemake with two cores."""
        return self.run("snakemake", *arguments, "--cores", "2")

    def plan(self, *targets: str) -> set[str]:
        """The jobs that snakemake would run (default target: all), by names of logs: `train.sgd.000`, `judge`."""
        shown = self.must("snakemake", *targets, "--cores", "2", "--dry-run")
        return {Path(log).stem for log in re.findall(r"^    log: (.*)$", shown, flags=re.MULTILINE)}

    def result(self, path: str, scale: str = "laptop") -> Path:
        """A file among the toy's results."""
        return self.root / "results" / scale / "toy" / path

    @contextmanager
    def edited(self, path: str, old: str, new: str) -> Iterator[None]:
        """The file with one text in place of another, inside the block only."""
        file = self.root / path
        before = file.read_text()
        assert old in before, f"{path}: {old!r}"
        file.write_text(before.replace(old, new))
        try:
            yield
        finally:
            file.write_text(before)

    def edited_toy(self, name: str, old: str, new: str) -> "contextmanager[None]":
        """As `edited`, for a file of the toy room."""
        return self.edited(str(_TOY / name), old, new)
