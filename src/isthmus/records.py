"""Checksums of all outputs, written by the jobs that make them: what was changed by hand is noticed and refused.

A file is good if its content matches its job's record in `scratch/records`, or its room's `provenance.json`, which
travels with the results. A file that nothing stands behind (a verdict from git alone) is never trusted but rebuilt.
All paths are relative to the project's root, which is the working folder.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus import provenance, snakemeta, store, verdict_file
from isthmus.errors import UserError

_FOLDER = Path("scratch/records")
_SMALL = ("*/*/tables/*.csv", "*/*/figures/*.*", "*/*/verdict.json")
_LARGE = ("*/*/runs/*/chunk-*.safetensors",)


@dataclass(frozen=True)
class Findings:
    """What a look at all outputs found: those changed by hand, and those that nothing stands behind."""

    changed: tuple[str, ...]
    unknown: tuple[str, ...]


def note(path: Path | str) -> None:
    """Record the checksum of an output. A job calls it right after it has written the file.

    A job killed in between is no gap: Snakemake marks its outputs as incomplete until it has ended well.
    """
    path = Path(path)
    state = path.stat()
    checksum = store.file_digest(path)
    store.write_json(of(path), {"sha256": checksum, "size": state.st_size, "mtime_ns": state.st_mtime_ns})


def of(path: Path | str) -> Path:
    """Where the record of an output lies."""
    path = Path(path)
    if path.is_absolute():
        path = path.relative_to(Path.cwd())
    return _FOLDER / f"{path}.json"


def start() -> list[str]:
    """Look at all outputs before a build; returns lines on those to be rebuilt, as nothing stands behind them.

    Reads back the records that came with pulled results. UserError if an output was changed by hand, or a folder
    that a build writes to is not writable.
    """
    within = [Path(folder) for folder, _, _ in os.walk("results")]
    for folder in (Path("results"), *within, Path("data"), _FOLDER.parent, Path("logs")):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not os.access(there, os.W_OK):
            raise UserError(f"{there}: wanted a folder that this user may write to, found one that it may not")
    published = provenance.restore()
    findings = inspect(published)
    if findings.changed:
        more = f" (and {len(findings.changed) - 1} more)" if len(findings.changed) > 1 else ""
        raise UserError(
            f"{findings.changed[0]}: its content is not what its job wrote (checksum){more}; "
            "delete it and it is rebuilt, or bring the recorded one back with `dvc checkout`"
        )
    for path in findings.unknown:
        snakemeta.mark_incomplete(path)
    # A fresh clone has one of every paper: no news to anyone, and told once.
    from_git = [path for path in findings.unknown if _is_committed(Path(path))]
    told = [
        f"{path}: no record of how it was made stands behind it (results with records: `dvc pull`); "
        "not trusted, rebuilt when asked for"
        for path in findings.unknown
        if path not in from_git
    ]
    if from_git:
        told.append(
            f"{len(from_git)} verdict.json of git's came without the results behind them; each is rebuilt when "
            "asked for (`isthmus compare <paper>` then sets it beside the published one)"
        )
    return told


def inspect(published: dict[str, set[str]]) -> Findings:
    """Compare every output on disk with its record and with the checksums that provenance files give."""
    changed, unknown = [], []
    for path, large in _outputs():
        name = str(path)
        if snakemeta.is_incomplete(name):
            continue
        record = store.read_json(of(path)) if of(path).is_file() else None
        if record is not None and _matches(path, record, by_time=large):
            continue
        known = published.get(name, set())
        if known and store.file_digest(path) in known:
            note(path)
        elif (record is None and not known) or _is_committed(path):
            unknown.append(name)
        else:
            changed.append(name)
    return Findings(tuple(changed), tuple(unknown))


def _outputs() -> Iterator[tuple[Path, bool]]:
    """Every output on disk, in order, with whether it is large (a fleet, prepared data)."""
    for folder, patterns, large in (
        (Path("data/prepared"), ("**/*.safetensors",), True),
        (Path("results"), _LARGE, True),
        (Path("results"), _SMALL, False),
    ):
        for path in sorted(file for pattern in patterns for file in folder.glob(pattern)):
            if not path.name.startswith("."):
                yield path, large


def _matches(path: Path, record: dict[str, Any], by_time: bool) -> bool:
    """Whether a file is as recorded: by content, or for large files by size and time where these agree."""
    state = path.stat()
    if by_time and (state.st_size, state.st_mtime_ns) == (record.get("size"), record.get("mtime_ns")):
        return True
    if state.st_size != record.get("size") or store.file_digest(path) != record.get("sha256"):
        return False
    if by_time:
        note(path)
    return True


def _is_committed(path: Path) -> bool:
    """Whether git's current commit holds exactly this content: it came by a checkout, not by hand."""
    return path.name == "verdict.json" and verdict_file.committed(path) == path.read_bytes()
