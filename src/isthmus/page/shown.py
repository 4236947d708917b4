"""What an atlas shows: of each room at a scale its verdicts and the record behind them, or why it is not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isthmus import board, paths, provenance, rooms, specs, store, typed, verdict_file, verdicts
from isthmus.judging import PASSED
from isthmus.redraw import REDRAW
from isthmus.rooms import Room

# In the order of a reader's interest, with a sign that tells them apart without colour, and what the word means.
WORDS = {
    "reproduced": ("✓", "the test passes in the paper's own setting"),
    "holds": ("✓", "the test passes on an analogue at this scale, or in a setting that differs from the paper's"),
    "verified": ("✓", "an exact statement: the worst residual is within a derived tolerance"),
    "weaker": ("↘", "the effect has the claimed sign and lies wholly below the claimed size"),
    "unclear": ("?", "the interval decides nothing, n is too small, or a control does not do what it must"),
    "contradicted": ("✗", "the interval lies wholly on the other side"),
    "violated": ("✗", "an exact statement: a residual exceeds the tolerance"),
    "not run": ("○", "could be run at this scale, and has not been"),
    "out of reach": ("–", "nothing can be run at this scale, or a known effect is not seen at it"),
}

NOT_JUDGED = ("out of reach", "not run")


@dataclass(frozen=True)
class Claim:
    """A claim: its row on the board, its entry in verdict.json, and that on another draw of the data, if any."""

    row: board.Row
    entry: dict[str, Any]
    redrawn: dict[str, Any] | None = None

    @property
    def ways(self) -> list[dict[str, Any]]:
        """The same claim judged in other ways: those of its verdict, and its entry at the scale redraw."""
        return [*self.entry["sensitivity"], *([self.redrawn] if self.redrawn else [])]

    @property
    def agree(self) -> str:
        """`7 of 8`: how many of its ways come to the same verdict."""
        return f"{sum(way['verdict'] == self.row.verdict for way in self.ways)} of {len(self.ways)}"

    @property
    def sign(self) -> str:
        """The sign of its verdict."""
        return WORDS[self.row.verdict][0]

    @property
    def controls(self) -> list[dict[str, Any]]:
        """Its controls, the one that decides first."""
        first = [self.entry["control"]] if self.entry.get("control") else []
        return [*first, *self.entry.get("other_controls", {}).values()]


@dataclass(frozen=True)
class Shown:
    """A room whose results are there."""

    room: Room
    verdict: dict[str, Any]
    made: dict[str, Any]

    @cached_property
    def claims(self) -> list[Claim]:
        """Its claims in the order of the board."""
        entries, again = self.verdict["claims"], redrawn(self.room)
        same = {name: row for name, row in again.items() if row["frozen"] == entries.get(name, {}).get("frozen")}
        return [Claim(row, entries[row.claim], same.get(row.claim)) for row in board.rows([self.verdict])]

    @cached_property
    def stale(self) -> bool:
        """Whether other code or settings than today's made it."""
        return self.verdict["fingerprint"] != verdicts.fingerprint(self.room)

    @cached_property
    def captions(self) -> dict[str, str]:
        """Figure -> its caption, with n as counted when it was drawn."""
        return {
            name: self.room.caption_path(name).read_text(encoding="utf-8").strip() for name in self.room.figures
        }

    @property
    def beyond(self) -> list[Claim]:
        """The claims that have no result at this scale."""
        return [claim for claim in self.claims if claim.row.verdict in NOT_JUDGED]

    @property
    def judged(self) -> int:
        """How many claims have been run."""
        return len(self.claims) - len(self.beyond)

    @property
    def passed(self) -> int:
        """How many claims pass their test."""
        return sum(claim.row.verdict in PASSED for claim in self.claims)

    @property
    def by_chance(self) -> float:
        """How many claims would pass if all of them were just not true."""
        return verdicts.expected_false_passes(verdicts.load_claims(self.room))

    @property
    def networks(self) -> int:
        """How many networks it trains itself."""
        own = (run.recipe for run in self.room.runs.values() if run.owner == self.room.name)
        return sum(len(recipe.networks) for recipe in own)

    @property
    def why_variant(self) -> str | None:
        """Why the variant was made; None for the published study."""
        if self.room.variant is None:
            return None
        path = paths.root() / self.room.source
        return typed.checked(specs.Overlay, typed.read_yaml(path, self.room.source), self.room.source).why


@dataclass(frozen=True)
class Absent:
    """A room of which there is nothing to show, and why."""

    name: str
    title: str
    why: str


def at(scale: str) -> Iterator[Shown | Absent]:
    """Every paper and every variant, sorted; UserError if no paper has the scale."""
    rooms.at(scale)
    for name in sorted((*rooms.slugs(), *rooms.variants())):
        scales = rooms.scales(name.partition("@")[0])
        if scale not in scales:
            title = rooms.load(name, scales[0]).card.title
            yield Absent(name, title, f"has no scale {scale} (it has {', '.join(scales)})")
            continue
        room = rooms.load(name, scale)
        if lacking := missing(room):
            yield Absent(name, room.card.title, f"not built at this scale: {lacking} is not there")
        else:
            yield Shown(room, _verdict(room.verdict_path), provenance.read(room.provenance_path)["made"])


def _verdict(path: Path) -> dict[str, Any]:
    """The content of a verdict.json with what it leaves out filled in."""
    return typed.checked(verdict_file.VerdictFile, store.read_json(path), path).model_dump()


def redrawn_path(room: Room) -> Path | None:
    """Where the verdicts on another draw of a room's data lie, if they are there; None also at other scales."""
    if room.scale != rooms.LAPTOP:
        return None
    path = rooms.load(room.name, REDRAW).verdict_path
    return path if path.is_file() else None


def redrawn(room: Room) -> dict[str, Any]:
    """Claim -> its entry there, as one more way, where it was measured; empty if there is none."""
    path = redrawn_path(room)
    if path is None:
        return {}
    verdict, way = _verdict(path), "another draw of the data, other networks"
    if verdict["fingerprint"] != verdicts.fingerprint(rooms.load(room.name, REDRAW)):
        way += ", by earlier code or settings"
    shown = {"way": way, "unit": "", "part": None}
    return {name: {**entry, **shown} for name, entry in verdict["claims"].items() if entry["n"]}


def missing(room: Room) -> Path | None:
    """The first file that a page would show and that is not there; None if all are."""
    wanted = (room.verdict_path, room.provenance_path, *room.shown())
    return next((path for path in wanted if not path.is_file()), None)


def card_path(room: Room) -> Path:
    """Where the text of the paper's card lies."""
    return rooms.PAPERS / room.slug / "README.md"
