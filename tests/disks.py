"""File systems of a test's own, to be filled and made read-only."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A small file system at a path."""

    def __init__(self, path: Path) -> None:
        self.path, self.filler = path, path / "filler"

    def fill(self) -> None:
        """Nothing more can be written."""
        self.filler.write_bytes(bytes(shutil.disk_usage(self.path).free))

    def clear(self) -> None:
        """There is room again."""
        self.filler.unlink()

    def become(self, mode: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{mode}", self.path], check=True)


@contextmanager
def mounted(path: Path, size: str = "1m") -> Iterator[Disk]:
    """A file system of this size at a new folder. Where that is not permitted tests are skipped; never in CI."""
    path.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True, text=True
    )
    if done.returncode != 0:
        assert "CI" not in os.environ, done.stderr
        pytest.skip(f"mounting a file system is not permitted here: {done.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", path], check=True)
