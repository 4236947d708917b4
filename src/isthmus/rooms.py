"""Finding the rooms, and one room at one scale: its runs as recipes, its tables, its figures, and every path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from isthmus import paths, specs, typed
from isthmus.engine.recipe import Recipe
from isthmus.errors import UserError
from isthmus.redraw import REDRAW, redrawn
from isthmus.rounds import unrolled

PAPERS = Path(__file__).parent / "papers"
VARIANTS = Path("config/variants")
LAPTOP = "laptop"
# Targets and rules of the workflow, and pages of the atlas.
_VERBS = {"prepare", "train", "measure", "judge", "draw", "record", "page"}
RESERVED = _VERBS | {"all", "atlas", "data", "figures", "index", "report", "unknown"}

_VARIANT = re.compile(r"^[a-z][a-z0-9_]*@[a-z0-9][a-z0-9_-]*$")


@dataclass(frozen=True)
class Run:
    """A fleet that a room reads.

    owner: the room, at this scale, whose results hold it. parent: the run that it branches from, and giver: the one
    that its masks come from, of this room or, where it is borrowed, of its lender's.
    """

    name: str
    owner: str
    owner_name: str
    scale: str
    recipe: Recipe
    parent: "Run | None" = None
    giver: "Run | None" = None

    @property
    def reads(self) -> "dict[str, Run]":
        """The runs whose fleets a job of this one reads: `parent`, `giver`, and `dense` at the root of a chain."""
        found = {"parent": self.parent, "giver": self.giver}
        if any(network.mask is not None and network.mask.kind == "aligned" for network in self.recipe.networks):
            found["dense"] = self.giver
            while found["dense"].giver is not None:
                found["dense"] = found["dense"].giver
        return {role: run for role, run in found.items() if run is not None}

    @property
    def folder(self) -> Path:
        """Where its chunks lie."""
        return paths.results(self.scale, self.owner) / "runs" / self.owner_name

    def chunk_paths(self) -> list[Path]:
        """The chunk files, in order."""
        return [self.folder / f"chunk-{index:03d}.safetensors" for index in range(len(self.recipe.chunks))]


@dataclass(frozen=True)
class Room:
    """A paper's study at one scale, perhaps as a variant. All paths are relative to the project's root."""

    slug: str
    variant: str | None
    scale: str
    study: specs.Study
    source: Path
    # Its runs, and those of others that they begin at, by name: a chain of rounds would be walked for each round.
    _found: dict[str, Run] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        """`<slug>` or `<slug>@<variant>`."""
        return self.slug if self.variant is None else f"{self.slug}@{self.variant}"

    @property
    def card(self) -> specs.Paper:
        """What the paper is."""
        return self.study.paper

    @property
    def _scale(self) -> specs.Scale:
        return self.study.scales[self.scale]

    @property
    def minutes(self) -> float | None:
        """Minutes that a build takes on two cores, as measured; None where it was not, and for variants."""
        return None if self.variant else self._scale.minutes

    @property
    def paper_setting(self) -> bool:
        """Whether this is the paper's own data, model and size; a variant never is."""
        return self._scale.paper_setting and self.variant is None

    @property
    def resources(self) -> dict[str, int]:
        """runtime (minutes), mem_mb and gpu of a training job."""
        return self._scale.resources.model_dump()

    @cached_property
    def runs(self) -> dict[str, Run]:
        """Its runs, borrowed ones included."""
        return {name: self._run(name, spec) for name, spec in self.study.runs.items()}

    def _run(self, name: str, spec: specs.Run | specs.Borrowed, below: tuple[str, ...] = ()) -> Run:
        """The run. below: the runs that led here, for papers may borrow from each other in a circle."""
        if name not in self._found:
            self._found[name] = self._make(name, spec, below)
        return self._found[name]

    def _make(self, name: str, spec: specs.Run | specs.Borrowed, below: tuple[str, ...]) -> Run:
        here = f"{self.name}/{name}"
        if here in below:
            lineage = " of ".join((*below, here))
            raise UserError(f"{self.source}: runs.{name}: wanted no run as its own ancestor, found {lineage}")
        below = (*below, here)
        if isinstance(spec, specs.Borrowed):
            owner, owner_name = spec.source.split("/")
            lender = load(owner, self.scale)
            own = {run: lent for run, lent in lender.study.runs.items() if isinstance(lent, specs.Run)}
            if owner_name not in own:
                wanted = f"wanted a run that {owner} trains itself ({', '.join(own) or 'it has none'})"
                raise UserError(f"{self.source}: runs.{name}.from: {wanted}, found {owner_name!r}")
            return lender._run(owner_name, own[owner_name], below)
        parent = None if spec.branch is None else self._above(name, "branch.run", spec.branch.run, below)
        wanted = spec.prune and spec.prune.run
        giver = None if wanted is None else self._above(name, "prune.run", wanted, below)
        try:
            recipe = spec.recipe(parent and parent.recipe, giver and giver.recipe)
            return Run(name, self.name, name, self.scale, recipe, parent, giver)
        except (ValueError, UserError) as error:
            raise UserError(f"{self.source}: runs.{name}: {error}") from error

    def _above(self, name: str, key: str, wanted: str, below: tuple[str, ...]) -> Run:
        """The run that a key of a run names: one above it in the study, this room's own or a borrowed one."""
        names = list(self.study.runs)
        above = names[: names.index(name)]
        if wanted not in above:
            wants = f"wanted a run above this one ({', '.join(above) or 'there is none'})"
            raise UserError(f"{self.source}: runs.{name}.{key}: {wants}, found {wanted!r}")
        return self._run(wanted, self.study.runs[wanted], below)

    @property
    def tables(self) -> dict[str, specs.Table]:
        """Its measurements."""
        return self.study.tables

    @property
    def figures(self) -> dict[str, specs.Figure]:
        """Its figures."""
        return self.study.figures

    @property
    def folder(self) -> Path:
        """Where its results lie."""
        return paths.results(self.scale, self.name)

    def table_path(self, name: str) -> Path:
        """Where a table lies."""
        return self.folder / "tables" / f"{name}.csv"

    def figure_paths(self, name: str) -> list[Path]:
        """Where a figure lies: SVG, PDF and PNG."""
        return [self.folder / "figures" / f"{name}.{kind}" for kind in ("svg", "pdf", "png")]

    def caption_path(self, name: str) -> Path:
        """Where the caption of a figure lies, with n as counted when it was drawn."""
        return self.folder / "figures" / f"{name}.txt"

    @property
    def verdict_path(self) -> Path:
        """Where its verdicts lie."""
        return self.folder / "verdict.json"

    @property
    def provenance_path(self) -> Path:
        """Where the record of its making lies."""
        return self.folder / "provenance.json"

    def outputs(self) -> Iterator[Path]:
        """Every file that its build leaves, but for the record."""
        for run in self.runs.values():
            if run.owner == self.name:
                yield from run.chunk_paths()
        yield from self.shown()

    def shown(self) -> Iterator[Path]:
        """What a reader sees of its build: tables, figures, captions, verdicts; neither fleets nor the record."""
        for table in self.tables:
            yield self.table_path(table)
        for figure in self.figures:
            yield from (*self.figure_paths(figure), self.caption_path(figure))
        yield self.verdict_path


def slugs() -> tuple[str, ...]:
    """The rooms there are, sorted; UserError for one whose name is a target of the workflow's own."""
    found = sorted(path.parent.name for path in PAPERS.glob("*/study.yaml"))
    if taken := sorted(RESERVED.intersection(found)):
        raise UserError(f"{PAPERS / taken[0]}: wanted a name other than {', '.join(sorted(RESERVED))}")
    return tuple(found)


def variants() -> tuple[str, ...]:
    """The variants there are, `<slug>@<name>`, sorted; UserError for an overlay with another kind of name."""
    found = sorted(paths.root().joinpath(VARIANTS).glob("*.yaml"))
    for path in found:
        if not _VARIANT.match(path.stem) or path.stem.split("@")[0] not in slugs():
            raise UserError(
                f"{VARIANTS / path.name}: wanted a name like <paper>@<name>.yaml with a paper of "
                f"{', '.join(slugs())} and a name of a-z, 0-9, _ and -, found {path.stem!r}"
            )
    return tuple(path.stem for path in found)


def scales(slug: str) -> tuple[str, ...]:
    """The scales that a room's study names, and `redraw` where it has the laptop's."""
    content, _ = _content(slug)
    return tuple(content.get("scales") or ())


def at(scale: str) -> list[str]:
    """The rooms that have this scale; UserError if none has."""
    found = [slug for slug in slugs() if scale in scales(slug)]
    if not found:
        known = sorted({name for slug in slugs() for name in scales(slug)})
        raise UserError(f"scale: wanted one of {', '.join(known)}, found {scale!r}")
    return found


@lru_cache
def load(room: str, scale: str) -> Room:
    """A room at a scale; UserError for an unknown room or scale, or a fault in its study or overlay."""
    slug, at, variant = room.partition("@")
    content, source = _content(slug)
    base = typed.checked(specs.Study, content, source)
    if scale not in base.scales:
        raise UserError(f"{source}: scales: wanted one of {', '.join(base.scales)}, found {scale!r}")
    content = specs.merge(content, base.scales[scale].model_dump(include={"runs", "tables", "figures"}))
    if at:
        if room not in variants():
            known = ", ".join(variants()) or "none yet"
            raise UserError(
                f"{VARIANTS / room}.yaml: wanted a variant's overlay (there are: {known}), found no file"
            )
        source = VARIANTS / f"{room}.yaml"
        overlay = typed.checked(specs.Overlay, typed.read_yaml(paths.root() / source, source), source)
        content = specs.merge(content, overlay.model_dump(include={"runs", "tables", "figures"}))
    if scale == REDRAW:
        content = {**content, **redrawn({part: content[part] for part in ("runs", "tables")})}
    study = typed.checked(specs.Study, content, source)
    try:
        return Room(slug, variant or None, scale, unrolled(study), source)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error


@lru_cache
def _content(slug: str) -> tuple[dict[str, Any], Path]:
    """A study as written with the scale that follows from it, and the path to name in errors."""
    if slug not in slugs():
        raise UserError(f"wanted a paper of {', '.join(slugs())}, found {slug!r}")
    path = PAPERS / slug / "study.yaml"
    root = PAPERS.parents[2]
    source = path.relative_to(root) if path.is_relative_to(root) else path
    content = typed.read_yaml(path, source)
    scales = content.get("scales")
    if isinstance(scales, dict) and REDRAW in scales:
        raise UserError(f"{source}: scales: wanted no {REDRAW}, which follows from {LAPTOP}, found one")
    if isinstance(scales, dict) and LAPTOP in scales:
        content["scales"] = {**scales, REDRAW: scales[LAPTOP]}
    return content, source
