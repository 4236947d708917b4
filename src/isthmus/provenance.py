"""provenance.json: what stands behind a room's results at a scale, so that results can travel without doubt.

It holds when, where, from which commit and with which libraries the room was built, the checksum of every
output, and Snakemake's own records of them. After `git clone` and `dvc pull` they are read back: what was pulled
then counts as built, and a number changed since is still seen.
"""

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from isthmus import paths, snakemeta, store
from isthmus.errors import UserError
from isthmus.rooms import Room

# The libraries that results depend on.
_LIBRARIES = ("torch", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "seaborn", "snakemake", "dvc")
_SEEN = Path("scratch/records/provenance")


def outputs(room: Room) -> list[Path]:
    """The files that a room's record vouches for: its outputs and the prepared data of its runs, sorted."""
    data = {paths.prepared(run.recipe.data) for run in room.runs.values()}
    return sorted({*room.outputs(), *data})


def write(room: Room) -> Path:
    """Write a room's provenance.json; returns its path. All outputs of the room must exist."""
    files = [str(path) for path in outputs(room)]
    record = {
        "room": room.name,
        "scale": room.scale,
        "made": _here(),
        "outputs": {name: store.file_digest(name) for name in files},
        "snakemake": {name: snakemeta.read(name) for name in files},
    }
    store.write_json(room.provenance_path, record)
    _mark_seen(room.provenance_path)
    return room.provenance_path


def restore() -> dict[str, set[str]]:
    """Checksums per output that the provenance files on disk give.

    A file that is not the one last written or read here came by `dvc pull`: its records of Snakemake are put back
    for every output that is as it says, and it counts as newer than these. So it does where DVC wrote the very same
    files anew.
    """
    for seen in _SEEN.glob("*/*"):
        if not (Path("results") / seen.relative_to(_SEEN) / "provenance.json").is_file():
            seen.unlink()
    published: dict[str, set[str]] = {}
    for path in sorted(Path("results").glob("*/*/provenance.json")):
        record = read(path)
        for name, checksum in record["outputs"].items():
            published.setdefault(name, set()).add(checksum)
        if not (_seen(path).is_file() and _seen(path).read_text() == store.file_digest(path)):
            _put_back(record)
            snakemeta.forget(str(path))
            os.utime(path)
            _mark_seen(path)
        elif _is_older(path, record) and _is_of_these(record):
            os.utime(path)
    return published


def _put_back(record: dict[str, Any]) -> None:
    """Give Snakemake its records of every output that is as the provenance file says."""
    for name, checksum in record["outputs"].items():
        if Path(name).is_file() and record["snakemake"].get(name) and store.file_digest(name) == checksum:
            snakemeta.put(name, record["snakemake"][name])


def _is_older(path: Path, record: dict[str, Any]) -> bool:
    """Whether any output was written after the provenance file, whoever wrote it."""
    files = [Path(name) for name in record["outputs"] if Path(name).is_file()]
    return any(file.stat().st_mtime_ns > path.stat().st_mtime_ns for file in files)


def _is_of_these(record: dict[str, Any]) -> bool:
    """Whether every output here is the one that the provenance file saw, of the same job, not one built since."""
    return all(
        snakemeta.read(name) == record["snakemake"].get(name) and store.file_digest(name) == checksum
        for name, checksum in record["outputs"].items()
        if Path(name).is_file()
    )


def read(path: Path) -> dict[str, Any]:
    """A provenance file; UserError if it is damaged."""
    record = store.read_json(path)
    parts = [record.get(part) for part in ("outputs", "snakemake")] if isinstance(record, dict) else [None]
    if not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{path}: wanted the record of a build, found other content; delete it or `dvc checkout`")
    return record


def _seen(path: Path) -> Path:
    """Where the checksum of the provenance file last written or read is kept."""
    return _SEEN / "/".join(path.parts[1:-1])


def _mark_seen(path: Path) -> None:
    store.write_text(_seen(path), store.file_digest(path))


def _here() -> dict[str, Any]:
    """Time, machine, commit and library versions of this build."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "name": platform.node(),
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": _git("status", "--porcelain", "--", "src", "config", "data/register.yaml") not in ("", None),
        "python": platform.python_version(),
        "libraries": dict(_versions(_LIBRARIES)),
    }


def _versions(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _git(*arguments: str) -> str | None:
    """What a git command prints, None outside a repository or without git."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
