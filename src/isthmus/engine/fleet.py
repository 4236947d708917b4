"""A trained fleet, read back: rows at each checkpoint, and what was recorded on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from isthmus import tensors
from isthmus.data import prepared
from isthmus.data.prepared import DataSet
from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Network, Recipe
from isthmus.errors import UserError


@dataclass(frozen=True)
class Fleet:
    """R networks of one recipe.

    thetas: step -> rows (R, P); rows that begin at another fleet's (a branch, a rewound ticket) have none before.
    loss: batch loss (R, steps) of each update, nats; NaN before they begin. diverged_at: (R,), the first update
    with a loss that is not finite, or -1. changed: (R,), scalars that the perturbation moved. recorded: what else
    was kept, under its name in the files (probe/<name>/<step>, step/<step>/optimizer/<name>). Where units are
    removed: probe/live/<group> bool (R, n), those left at the end, probe/units/<group> (R, K), how many were left
    after each look, probe/looked_at (K,), the updates of these looks, and probe/collapsed_at (R,), the first update
    at which a group had lost all its units, or -1.
    """

    recipe: Recipe
    architecture: Architecture
    data: DataSet
    thetas: dict[int, Tensor]
    loss: Tensor
    diverged_at: Tensor
    changed: Tensor
    recorded: dict[str, Tensor]

    @classmethod
    def load(cls, paths: Sequence[Path], recipe: Recipe, data: DataSet) -> "Fleet":
        """The fleet from its chunk files; UserError for a file of another recipe, other data, or other rows."""
        parts = [_read(path, recipe, rows, data) for path, rows in zip(paths, recipe.chunks, strict=True)]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        kept = [step for step in recipe.checkpoints if f"step/{step}/theta" in joined]
        thetas = {step: joined.pop(f"step/{step}/theta") for step in kept}
        architecture = Architecture.of(recipe, data.shape, data.classes)
        if recipe.removal is not None:
            # Of all rows, so it is not kept with them.
            joined["probe/looked_at"] = torch.tensor(recipe.looks)
        probes = [joined.pop(f"probe/{name}") for name in ("loss", "diverged_at", "changed")]
        return cls(recipe, architecture, data, thetas, *probes, joined)

    @property
    def mask(self) -> Tensor:
        """Which scalars (R, P) of the rows were kept when they began; all, where the recipe does not prune."""
        whole = torch.ones_like(self.final, dtype=torch.bool)
        return self.recorded.get("probe/mask", whole)

    @property
    def networks(self) -> tuple[Network, ...]:
        """What distinguishes each row."""
        return self.recipe.networks

    @property
    def final(self) -> Tensor:
        """Rows (R, P) after the last update."""
        return self.thetas[self.recipe.steps]

    def probe(self, name: str, step: int) -> Tensor:
        """What a probe recorded after `step` updates (R, ...); name: the probe's, or `<probe>/<part>`."""
        if (key := f"probe/{name}/{step}") not in self.recorded:
            known = ", ".join(name for name in self.recorded if name.startswith("probe/")) or "none"
            raise UserError(f"study.yaml, probes: wanted {key} recorded in this run, found {known}")
        return self.recorded[key]

    def memory(self, step: int) -> dict[str, Tensor]:
        """The optimizer's memory (R, ...) after `step` updates, by name; empty for an optimizer without any."""
        if step not in self.recipe.memory:
            raise UserError(f"study.yaml, memory: wanted the optimizer's memory at {step} kept, found it was not")
        prefix = f"step/{step}/optimizer/"
        return {name[len(prefix) :]: value for name, value in self.recorded.items() if name.startswith(prefix)}

    def initial(self) -> Tensor:
        """Rows (R, P) of the unperturbed initialisation: also theta_0 of the kernel regime."""
        return self.architecture.initial([network.seed for network in self.networks])

    def anchor(self, rows: Sequence[int]) -> Tensor | None:
        """theta_0 of these rows for a fleet in the kernel regime, None for any other."""
        return None if self.recipe.lazy is None else self.initial()[list(rows)]


@dataclass(frozen=True)
class Source:
    """Where a run's fleet lies: its recipe, its chunk files, its prepared data."""

    recipe: Recipe
    chunks: Sequence[Path]
    data: Path

    def load(self, known: Mapping[Path, DataSet] | None = None) -> Fleet:
        """The fleet; known: prepared sets that need not be read again, by their files."""
        data = (known or {}).get(self.data) or prepared.load(self.data)
        return Fleet.load(self.chunks, self.recipe, data)


def _read(path: Path, recipe: Recipe, rows: slice, data: DataSet) -> dict[str, Tensor]:
    values, header = tensors.load(path)
    if header.get("recipe") != recipe.canonical() or header.get("rows") != [rows.start, rows.stop]:
        raise UserError(f"{path}: wanted rows {rows.start} to {rows.stop} of this recipe, found another recipe's")
    if header.get("data") != data.checksum:
        raise UserError(f"{path}: wanted networks trained on {data.key} as it is now, found another content's")
    return values
