"""Where things lie: every path of the project is relative to one root."""

import os
from pathlib import Path

from isthmus.errors import UserError

_MARK = Path("data/register.yaml")


def root() -> Path:
    """Absolute path of the project: ISTHMUS_ROOT, or the nearest folder upwards with data/register.yaml."""
    named = os.environ.get("ISTHMUS_ROOT")
    start = Path(named) if named else Path.cwd()
    for folder in [start] if named else [start, *start.parents]:
        if (folder / _MARK).is_file():
            return folder.resolve()
    raise UserError(f"{start}: wanted a folder with {_MARK} (the root of an isthmus checkout), found none")


def prepared(key: str) -> Path:
    """Path, relative to the root, of the prepared file of data key `<set>/<split>/<scaling>`."""
    return Path("data/prepared") / f"{key}.safetensors"


def results(scale: str, room: str) -> Path:
    """Path, relative to the root, of a room's results at a scale; room is `<slug>` or `<slug>@<variant>`."""
    return Path("results") / scale / room
