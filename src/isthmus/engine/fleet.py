"""A trained fleet, read back: rows at each checkpoint, and what was recorded on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from isthmus import tensors
from isthmus.data.prepared import DataSet
from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Network, Recipe
from isthmus.errors import UserError


@dataclass(frozen=True)
class Fleet:
    """R networks of one recipe.

    thetas: step -> rows (R, P). loss: batch loss (R, steps) of each update, nats. diverged_at: (R,), the first
    update with a loss that is not finite, or -1. changed: (R,), scalars that the perturbation moved.
    """

    recipe: Recipe
    architecture: Architecture
    data: DataSet
    thetas: dict[int, Tensor]
    loss: Tensor
    diverged_at: Tensor
    changed: Tensor

    @classmethod
    def load(cls, paths: Sequence[Path], recipe: Recipe, data: DataSet) -> "Fleet":
        """The fleet from its chunk files; UserError for a file of another recipe, other data, or other rows."""
        parts = [_read(path, recipe, rows, data) for path, rows in zip(paths, recipe.chunks, strict=True)]
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        thetas = {step: joined[f"step/{step}/theta"] for step in recipe.checkpoints}
        architecture = Architecture.of(recipe, data.shape, data.classes)
        probes = (joined[f"probe/{name}"] for name in ("loss", "diverged_at", "changed"))
        return cls(recipe, architecture, data, thetas, *probes)

    @property
    def networks(self) -> tuple[Network, ...]:
        """What distinguishes each row."""
        return self.recipe.networks

    @property
    def final(self) -> Tensor:
        """Rows (R, P) after the last update."""
        return self.thetas[self.recipe.steps]

    def initial(self) -> Tensor:
        """Rows (R, P) of the unperturbed initialisation: also theta_0 of the kernel regime."""
        return self.architecture.initial([network.seed for network in self.networks])

    def anchor(self, rows: Sequence[int]) -> Tensor | None:
        """theta_0 of these rows for a fleet in the kernel regime, None for any other."""
        return None if self.recipe.lazy is None else self.initial()[list(rows)]


def _read(path: Path, recipe: Recipe, rows: slice, data: DataSet) -> dict[str, Tensor]:
    values, header = tensors.load(path)
    if header.get("recipe") != recipe.canonical() or header.get("rows") != [rows.start, rows.stop]:
        raise UserError(f"{path}: wanted rows {rows.start} to {rows.stop} of this recipe, found another recipe's")
    if header.get("data") != data.checksum:
        raise UserError(f"{path}: wanted networks trained on {data.key} as it is now, found another content's")
    return values
