"""A project of its own for a test: the register, and rooms whose studies the test writes."""

import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from isthmus import rooms

SOURCE = Path(__file__).parents[1]
STUDY = "src/isthmus/papers/toy/study.yaml"


def toy() -> dict[str, Any]:
    """The toy room's study, to be changed."""
    content = yaml.safe_load((SOURCE / "tests/toy/study.yaml").read_text())
    # What the file shares between runs by an anchor is copied.
    return json.loads(json.dumps(content))


def changed(content: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The content with another value at `a.b.c`; `...` removes it."""
    content = deepcopy(content)
    *parents, last = place.split(".")
    inner = content
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return content


class Project:
    """A root with the register, no results, and rooms as written."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.papers = root / "src/isthmus/papers"
        self.papers.mkdir(parents=True)
        (root / "data").mkdir()
        shutil.copy(SOURCE / "data/register.yaml", root / "data")
        monkeypatch.setenv("ISTHMUS_ROOT", str(root))
        monkeypatch.setattr(rooms, "PAPERS", self.papers)

    def write(self, content: Any, slug: str = "toy") -> None:
        """A room's study: a mapping, or the text of the file."""
        path = self.papers / slug / "study.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        forget()

    def overlay(self, content: Any, name: str = "toy@gentle") -> None:
        """A variant's overlay, in a file of this name."""
        path = self.root / "config/variants" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        forget()


def forget() -> None:
    """What was read of rooms does not outlive a change of their files."""
    rooms.load.cache_clear()
    rooms._content.cache_clear()
