"""A room built small, in a project of its own: as an overlay over its smoke scale, on a few made-up examples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from data_files import write_register
from matplotlib.figure import Figure
from studies import forget
from training import Steps

from isthmus import captions, figures, legibility, paths, rooms, store
from isthmus.claims import Claim
from isthmus.data import prepared
from isthmus.engine.fleet import Fleet
from isthmus.kinds import Kind, Measured
from isthmus.rooms import Room
from isthmus.verbs import measure, train


@dataclass(frozen=True)
class Build:
    """A room at scale smoke, its fleets and its tables as read back from disk."""

    room: Room
    fleets: dict[str, Fleet]
    tables: dict[str, pd.DataFrame]

    def drawn(self, name: str) -> Figure:
        """One figure of the room, drawn of its table; its text must be readable, and its caption find its n."""
        module = import_module(f"isthmus.papers.{self.room.slug}.figures")
        with figures.style(), figures.counted() as counts:
            figure = figures.blank()
            getattr(module, name)(self.tables[self.room.figures[name].table], figure)
            assert legibility.faults(figure) == []
        assert counts or captions.N not in self.room.figures[name].caption
        return figure


def examples(key: str, shape: tuple[int, ...], sizes: dict[str, int]) -> prepared.DataSet:
    """Normal inputs with labels by a random linear rule, ten classes."""
    generator = torch.Generator().manual_seed(0)
    rule = torch.randn((prod(shape), 10), generator=generator)
    inputs = {part: torch.randn((count, *shape), generator=generator) for part, count in sizes.items()}
    labels = {part: (x.flatten(1) @ rule).argmax(1) for part, x in inputs.items()}
    return prepared.DataSet(key, inputs, labels, 10, shape, (0.0,), (1.0,), "made up")


@contextmanager
def built(root: Path, slug: str, overlay: dict[str, Any], sizes: dict[str, int]) -> Iterator[Build]:
    """The room with this overlay, trained and measured in `root`, where the block then runs.

    sizes: examples in each part of the one data set that its runs are on.
    """
    with pytest.MonkeyPatch.context() as patch:
        key = next(iter(rooms.load(slug, "smoke").runs.values())).recipe.data
        name, split, _ = key.split("/")
        write_register(root, lambda sets: sets[name]["splits"][split].update(sizes=sizes))
        variant = root / rooms.VARIANTS / f"{slug}@tiny.yaml"
        variant.parent.mkdir(parents=True)
        variant.write_text(yaml.safe_dump({"why": "To test.", **overlay}))
        patch.setenv("ISTHMUS_ROOT", str(root))
        patch.chdir(root)
        forget()
        room = rooms.load(f"{slug}@tiny", "smoke")
        data = examples(key, {"mnist1d": (40,), "digits": (1, 8, 8)}[name], sizes)
        prepared.save(paths.prepared(key), data, {})
        fleets = {run.name: fleet_of(run, data) for run in room.runs.values()}
        yield Build(room, fleets, {name: table_of(room, name) for name in room.tables})
    forget()


def fleet_of(run: rooms.Run, data: prepared.DataSet) -> Fleet:
    """The run's fleet, trained chunk by chunk."""
    prepared_at, reads = paths.prepared(run.recipe.data), {role: source_of(one) for role, one in run.reads.items()}
    for index, path in enumerate(run.chunk_paths()):
        train.train(run.recipe, index, prepared_at, path, path.with_suffix(".save"), "", Steps(), reads)
    return Fleet.load(run.chunk_paths(), run.recipe, data)


def source_of(run: rooms.Run) -> measure.Source:
    """Where the run's fleet lies."""
    return measure.Source(run.recipe, run.chunk_paths(), paths.prepared(run.recipe.data))


def table_of(room: Room, name: str) -> pd.DataFrame:
    """A table, measured by the verb; its progress must come to what it expects."""
    spec, progress = room.tables[name], Steps()
    sources = {run: source_of(room.runs[run]) for run in spec.runs}
    out = room.table_path(name)
    measure.measure(room.slug, spec.function or name, sources, spec.settings, out, progress)
    assert progress.taken == progress.total > 0
    return store.read_table(out)


def samples_of(claim: Claim, tables: dict[str, pd.DataFrame]) -> list[tuple[Kind, Measured]]:
    """What the claim and its controls measure in the tables, each with the kind of test that judges it."""
    controls = [(control.kind or claim.kind, control.statistic(tables)) for control in claim.controls]
    return [(claim.kind, claim.measure(tables)), *controls]


def lacking_ways(entries: dict[str, Any], claims: tuple[Claim, ...]) -> list[str]:
    """Other ways that a claim names and its entry in verdict.json lacks, and headline claims with none at all."""
    found = []
    for claim in claims:
        shown = {row["way"] for row in entries[claim.id].get("sensitivity", ())}
        found += [f"{claim.id}: {way.name}" for way in claim.other_ways if way.name not in shown]
        if claim.headline and not claim.kind.exact and not shown:
            found.append(claim.id)
    return found


def unlabelled(figure: Figure) -> list[str]:
    """Axes of a figure that say nothing of what they show."""
    return [
        f"{place}, {side}"
        for place, axes in enumerate(figure.axes)
        for side, label in (("x", axes.get_xlabel()), ("y", axes.get_ylabel()))
        if not label
    ]
