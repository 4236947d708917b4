"""The shape of verdict.json, which is the contract between results and all that shows them."""

import json
import subprocess
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeInt

from isthmus import store
from isthmus.errors import UserError
from isthmus.typed import Spec, checked

Verdict = Literal[
    "reproduced", "holds", "weaker", "unclear", "contradicted", "verified", "violated", "not run", "out of reach"
]


class Bounds(Spec):
    """An interval; null where it has no end."""

    low: float | None
    high: float | None


class Numbers(Spec):
    """What was found. constant: all units gave one value. diverged: units that were left out."""

    verdict: Verdict
    estimate: float | None
    interval: Bounds | None
    n: NonNegativeInt


class Control(Numbers):
    """A control. as_wanted: whether it does what its role asks."""

    name: str
    role: Literal["mechanism off", "null", "positive"]
    as_wanted: bool


class Shown(Numbers):
    """What a claim, or a part of one, was judged by. interval_90: the one that decides for claims of no effect."""

    kind: str
    delta: float | None
    interval_90: Bounds | None = None
    constant: bool = False
    diverged: tuple[str, ...] = ()
    parts: dict[str, "Shown"] = Field(default_factory=dict)


class Row(Numbers):
    """The claim judged in another way. part: of several, the one whose numbers these are."""

    way: str
    delta: float
    part: str | None = None
    why: str | None = None


class PaperSays(Spec):
    """The paper's number."""

    value: str
    source: str
    certainty: str


class Claim(Shown):
    """One claim. why and needs: the reason for a verdict that is not the test's own, and the scale to go to."""

    says: str
    where: str
    headline: bool
    unit: str
    unit_of_n: str
    delta_from: str | None
    frozen: str
    paper_says: PaperSays | None
    control: Control | None
    other_controls: dict[str, Control] = Field(default_factory=dict)
    differs_from_paper: tuple[str, ...]
    why: str | None = None
    needs: str | None = None
    sensitivity: tuple[Row, ...] = ()


class VerdictFile(Spec):
    """A whole verdict.json."""

    paper: str
    scale: str
    fingerprint: str
    recipes: dict[str, str]
    data: dict[str, str]
    claims: dict[str, Claim]


def read(path: Path) -> dict[str, Any]:
    """The content of a verdict.json; UserError, naming file and key, if it is missing or of another shape."""
    content = store.read_json(path)
    checked(VerdictFile, content, path)
    return content


def committed(path: Path) -> bytes | None:
    """What git's current commit holds of the file; None where it has none, outside a repository or without git."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{path}"], capture_output=True, check=False)
    except OSError:
        return None
    return shown.stdout if shown.returncode == 0 else None


def published(path: Path) -> dict[str, Any]:
    """As `read`, of the verdict.json that git's current commit holds; UserError if it holds none."""
    content, source = committed(path), f"HEAD:{path}"
    if content is None:
        raise UserError(f"{source}: wanted the published verdicts, which git has, found none")
    try:
        found = json.loads(content)
    except ValueError as error:
        raise UserError(f"{source}: wanted JSON, found {error}") from error
    checked(VerdictFile, found, source)
    return found
