"""The picture on top of README.md: headline claims with our intervals, as SVG.

It is written from the verdicts in git by a template, not drawn by a library of plots, so equal verdicts give equal
bytes with every version of everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from isthmus import rooms
from isthmus.judging import PASSED
from isthmus.page import TEMPLATES
from isthmus.page.number_line import Line, number_line
from isthmus.page.shown import NOT_JUDGED, WORDS

# Heights in pixels.
_PAPER, _CLAIM = 30, 21


@dataclass(frozen=True)
class Row:
    """One line of the picture: a paper, or one of its claims. y: of its middle, in pixels."""

    y: int
    text: str
    beside: str
    verdict: str | None = None
    line: Line | None = None


def svg(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """The picture of these verdicts: of each paper how many claims pass, and its headline claims one by one."""
    rows, y = [], 0
    for verdict in verdicts:
        claims = verdict["claims"]
        judged = [claim["verdict"] for claim in claims.values() if claim["verdict"] not in NOT_JUDGED]
        passed = sum(word in PASSED for word in judged)
        title = rooms.load(verdict["paper"], verdict["scale"]).card.title
        y += _PAPER
        rows.append(Row(y - 11, title, f"{passed} of {len(judged)} claims pass"))
        for name, claim in claims.items():
            if claim.get("headline"):
                y += _CLAIM
                rows.append(Row(y - 10, claim["says"], name, claim["verdict"], number_line(_deciding(claim))))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("headlines.svg").render(rows=rows, height=y + 34, words=WORDS) + "\n"


def _deciding(claim: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a claim whose numbers the claim shows, with its threshold; without parts the claim itself."""
    parts = claim.get("parts", {}).values()
    return next((part for part in parts if part["interval"] == claim["interval"]), claim)
