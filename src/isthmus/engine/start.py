"""Where the rows of a chunk begin: at their own initialisation, or at another fleet's rows, pruned or not."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Recipe
from isthmus.errors import UserError


@dataclass(frozen=True)
class Start:
    """What a chunk's rows are before their first update, which is update `step` of schedule and data order.

    All tensors hold the R rows of the chunk, in the order of its networks. theta: rows (R, P), or None for the
    initialisation. memory: the optimizer's, by name; empty to begin anew. age: updates over which that memory has
    gathered, from which Adam corrects its bias. mask: bool (R, P), or None; where it is False a scalar is zero, and
    stays exactly zero whatever optimizer, weight decay or kick does.

    Rewinding to update k (Frankle et al. 2020, section 2) is `Start(k, fleet.thetas[k], mask=mask)`; a ticket
    trained from its own initialisation is `Start(mask=mask)`.

    Raises ValueError for a mask that is not bool, and for tensors of different numbers of rows.
    """

    step: int = 0
    theta: Tensor | None = None
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    age: int = 0
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and self.mask.dtype != torch.bool:
            raise ValueError(f"mask: wanted bool, found {self.mask.dtype}")
        if len({len(value) for value in self._tensors().values()}) > 1:
            counts = ", ".join(f"{name} {len(value)}" for name, value in self._tensors().items())
            raise ValueError(f"wanted tensors of as many rows as the chunk, found {counts}")

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises ValueError where theta or mask is not of the chunk's shape (R, P)."""
        for name, value in {"theta": self.theta, "mask": self.mask}.items():
            if value is not None and value.shape != shape:
                raise ValueError(f"{name}: wanted the chunk's {tuple(shape)}, found {tuple(value.shape)}")

    def _tensors(self) -> dict[str, Tensor]:
        """Name -> what there is of it all, sorted by name."""
        parts = {"theta": self.theta, "mask": self.mask, **{f"memory/{k}": v for k, v in self.memory.items()}}
        return {name: value for name, value in sorted(parts.items()) if value is not None}

    def digest(self) -> str:
        """Checksum of all of it: what a save must agree with to be gone on from."""
        summed = hashlib.sha256(f"{self.step} {self.age}".encode())
        for name, value in self._tensors().items():
            summed.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            summed.update(value.contiguous().cpu().numpy())
        return summed.hexdigest()


def branched(recipe: Recipe, rows: slice, parent: Fleet) -> Start:
    """The start of these rows of a branch, unpruned: each at its parent's row as it was after `branch.at` updates.

    Raises UserError where the parent is another recipe's fleet, or kept no memory to go on with.
    """
    branch = recipe.branch
    if branch.parent.canonical() != parent.recipe.canonical():
        raise UserError("branch: wanted the fleet of the run that the recipe branches from, found another's")
    chosen = [network.parent for network in recipe.networks[rows]]
    memory = parent.memory(branch.at) if branch.memory else {}
    return Start(
        branch.step,
        parent.thetas[branch.at][chosen],
        {name: value[chosen] for name, value in memory.items()},
        branch.step - recipe.memory_begins,
    )
