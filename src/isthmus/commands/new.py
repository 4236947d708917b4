"""`isthmus new <slug>`: a room that runs at once, with a claim and a control to replace."""

import re
import tempfile
from pathlib import Path

from isthmus import paths, rooms, store
from isthmus.errors import UserError

TEMPLATE = Path(__file__).parent / "template"
_SLUG = re.compile(r"[a-z][a-z0-9_]*")
# Not a .py file: a test of a room that is not there cannot be collected.
_TEST = "test_room.py.in"


def run(slug: str) -> None:
    """Write the room and its test, and say what to do next. All is written or nothing; UserError for a bad slug."""
    room, test = make(slug)
    print(f"{_shown(room)}: written, and {test}. It runs as it is:\n")
    print(f"    snakemake {slug} --cores 2 --config scale=smoke")
    print(f"    python -m pytest {test}\n")
    print("Replace the paper and its runs in study.yaml, then measure.py, claims.py, figures.py, README.md.")
    print("When the claims are as they shall stand, build at laptop scale and bring the generated files in step:\n")
    print(f"    snakemake {slug} --cores 2")
    print("    isthmus sync")


def make(slug: str) -> tuple[Path, Path]:
    """The new room's folder and its test, relative to the root; UserError if the slug is taken or none."""
    room, test = rooms.PAPERS / slug, Path("tests") / f"test_rooms_{slug}.py"
    if not _SLUG.fullmatch(slug):
        raise UserError(f"slug: wanted a name of a-z, 0-9 and _ that begins with a letter, found {slug!r}")
    if slug in rooms.RESERVED:
        raise UserError(f"slug: wanted a name other than {', '.join(sorted(rooms.RESERVED))}, found {slug!r}")
    for path in (room, test):
        if path.exists():
            raise UserError(f"slug: wanted a paper that there is not yet, found {_shown(path)}")
    # Beside the papers, where no room is looked for: the folder takes its place whole.
    with tempfile.TemporaryDirectory(dir=rooms.PAPERS.parent, prefix=".new-") as folder:
        draft = Path(folder) / slug
        for source in sorted(TEMPLATE.iterdir()):
            if source.is_file() and source.name != _TEST:
                store.write_text(draft / source.name, _filled(source, slug))
        store.write_text(draft / "__init__.py", '"""Room: in a few words, what the paper is about."""\n')
        store.write_text(test, _filled(TEMPLATE / _TEST, slug))
        try:
            draft.rename(room)
        except OSError as error:
            test.unlink()
            raise UserError(f"{_shown(room)}: could not be written ({error.strerror})") from error
    return room, test


def _filled(source: Path, slug: str) -> str:
    return source.read_text(encoding="utf-8").replace("__slug__", slug)


def _shown(path: Path) -> Path:
    return path.relative_to(paths.root()) if path.is_relative_to(paths.root()) else path
