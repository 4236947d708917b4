"""Snakemake's own records, one JSON file per output: read, put back, or mark an output as incomplete.

They say with which inputs, parameters and code an output was made. Snakemake keeps them in `.snakemake`, which is
neither in git nor in DVC, so results that travel carry them along (see `provenance`). Format: Snakemake 9's file
backend, version 6 of the records.
"""

import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from isthmus import store

_FOLDER = Path(".snakemake")


def read(output: str) -> dict[str, Any] | None:
    """Snakemake's record of an output, None if there is none."""
    path = _record(_FOLDER / "metadata", output)
    return store.read_json(path) if path.is_file() else None


def put(output: str, record: dict[str, Any]) -> None:
    """Give an output this record, and take an incomplete mark away."""
    _prepare()
    store.write_json(_record(_FOLDER / "metadata", output), record)
    _record(_FOLDER / "incomplete", output).unlink(missing_ok=True)


def forget(output: str) -> None:
    """Drop the record of an output: Snakemake then knows nothing of how it was made."""
    _record(_FOLDER / "metadata", output).unlink(missing_ok=True)


def is_incomplete(output: str) -> bool:
    """Whether the job that makes this output is running, or was killed while it ran."""
    return _record(_FOLDER / "incomplete", output).is_file()


def mark_incomplete(output: str) -> None:
    """Make Snakemake rebuild this output the next time that it is asked for."""
    _prepare()
    store.write_json(_record(_FOLDER / "incomplete", output), {"external_jobid": None})


def _prepare() -> None:
    """Make both folders: Snakemake takes one without the other for an older format and moves files about."""
    for name in ("incomplete", "metadata"):
        (_FOLDER / name).mkdir(parents=True, exist_ok=True)


def _record(folder: Path, output: str) -> Path:
    """Where the record of an output lies: its path in base64, cut where a file name would be too long."""
    longest = os.pathconf(".", "PC_NAME_MAX") - 1
    name = urlsafe_b64encode(output.encode()).decode()
    pieces = [name[start : start + longest] for start in range(0, len(name), longest)]
    return folder.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])
