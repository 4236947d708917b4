"""`isthmus clean [<paper> ...]`: removes what can be rebuilt and is large, after it has shown it.

That is trained fleets, states of interrupted training, and logs. Tables, figures, verdicts, records and data stay,
and so does every file that git tracks. Links are removed as links or left, never followed.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from isthmus import records, rooms
from isthmus.errors import UserError

_LOCKS = Path(".snakemake/locks")


@dataclass(frozen=True)
class Part:
    """A folder of what can be rebuilt: its files, and how many bytes these take."""

    room: rooms.Room
    what: str
    folder: Path
    files: tuple[Path, ...]
    size: int


def run(names: Sequence[str], scale: str, yes: bool) -> None:
    """Show what would go, and remove it with `yes` or on a y. UserError while a build runs."""
    _refuse_while_building()
    chosen = [rooms.load(name, scale) for name in names or _all(scale)]
    found = [part for room in chosen for part in parts(room)]
    if not found:
        print(f"nothing to remove at scale {scale}")
        return
    Console().print(_shown(found))
    print(f"{decimal(sum(part.size for part in found))} in all. Verdicts, records, tables, figures and data stay.")
    if not yes and not _agreed():
        print("nothing was removed (`--yes` removes it)")
        return
    _refuse_while_building()
    for part in found:
        remove(part)
    for room in {part.room.name: part.room for part in found}.values():
        print(what_next(room))


def parts(room: rooms.Room) -> Iterator[Part]:
    """What of a room can go: fleets first, then states of interrupted training, then logs."""
    for what, folder in (
        ("trained fleets", room.folder / "runs"),
        ("interrupted training", Path("scratch") / room.folder),
        ("logs", Path("logs") / room.scale / room.name),
    ):
        # A link on the way leads to a place that may not be this project's.
        if folder.resolve() != Path.cwd().resolve() / folder:
            print(f"{folder}: behind a link, left ({folder.resolve()})")
        elif files := tuple(sorted({*_files(folder)} - _tracked(folder))):
            yield Part(room, what, folder, files, sum(path.lstat().st_size for path in files))


def remove(part: Part) -> None:
    """Remove the files, their records, and the folders that are then empty; UserError if one cannot be removed."""
    try:
        for path in part.files:
            path.unlink(missing_ok=True)
            records.of(path).unlink(missing_ok=True)
        for folder, _, _ in os.walk(part.folder, topdown=False):
            if not os.listdir(folder):
                os.rmdir(folder)
    except OSError as error:
        raise UserError(f"{error.filename}: could not be removed ({error.strerror})") from error


def what_next(room: rooms.Room) -> str:
    """What the next build of a room does, now that its fleets are gone."""
    kept = [path for path in room.outputs() if not path.is_relative_to(room.folder / "runs")]
    if all(path.is_file() for path in (*kept, room.provenance_path)):
        return f"{room.name}: its results are there; a change of anything behind them trains its networks again"
    return f"{room.name}: the next build trains its networks again (`dvc pull` brings recorded ones)"


def _all(scale: str) -> list[str]:
    """Every paper that has the scale, and its variants."""
    papers = rooms.at(scale)
    return [*papers, *(name for name in rooms.variants() if name.partition("@")[0] in papers)]


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, and links as what they are."""
    for where, folders, files in os.walk(folder):
        yield from (Path(where) / name for name in files)
        yield from (path for name in folders if (path := Path(where) / name).is_symlink())


def _tracked(folder: Path) -> set[Path]:
    """The files below a folder that git tracks; none outside a repository or without git."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "--", folder], capture_output=True, check=False)
    except OSError:
        return set()
    return {Path(os.fsdecode(name)) for name in listed.stdout.split(b"\0") if name}


def _refuse_while_building() -> None:
    if _LOCKS.is_dir() and any(_LOCKS.iterdir()):
        raise UserError(
            f"{_LOCKS}: wanted no build in this folder, found one that runs, or that was killed "
            "(then `snakemake --unlock`)"
        )


def _shown(found: Sequence[Part]) -> Table:
    table = Table("Room", "What can be rebuilt", "Files", "Size", "Where", box=SIMPLE_HEAD)
    for part in found:
        table.add_row(part.room.name, part.what, str(len(part.files)), decimal(part.size), str(part.folder))
    return table


def _agreed() -> bool:
    return sys.stdin.isatty() and input("Remove it? [y/N] ").strip().lower() in ("y", "yes")
