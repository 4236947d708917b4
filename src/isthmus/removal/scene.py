"""What a kind of removal sees of the networks that ask for it, in the midst of training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.recipe import Network, Recipe

if TYPE_CHECKING:
    from isthmus.removal.cut import Live


@dataclass(frozen=True)
class Scene:
    """R networks of one kind of removal, before update `step`, of a run whose first one is `first`.

    theta: their rows (R, P), whole, with BatchNorm's statistics as they began. live: group -> bool (R, n), the
    units that are left. x, y: the training set. memory: what the kind keeps of its networks from one call to the
    next, under names of its own; it begins empty, and is saved with the rows.
    """

    recipe: Recipe
    architecture: Architecture
    networks: Sequence[Network]
    theta: Tensor
    live: "Live"
    x: Tensor
    y: Tensor
    step: int
    first: int
    memory: dict[str, Tensor]

    @property
    def total(self) -> int:
        """Hidden units of a whole network."""
        return sum(left.shape[1] for left in self.live.values())

    @property
    def shares(self) -> Tensor:
        """The share of its units that each network is to keep (R,), float64."""
        return torch.tensor([network.units for network in self.networks], dtype=torch.float64)


def joined(live: "Live") -> Tensor:
    """Values of all groups side by side, (R, units)."""
    return torch.cat([*live.values()], dim=1)


def parted(live: "Live", values: Tensor) -> dict[str, Tensor]:
    """The inverse of `joined`: group -> (R, n), sizes as in `live`."""
    return dict(zip(live, values.split([left.shape[1] for left in live.values()], dim=1), strict=True))


def highest(scores: Tensor, left: Tensor, kept: Sequence[int]) -> Tensor:
    """Bool (R, units): of each row the so many units with the highest scores (R, units) among those that are left.

    Of equal scores the first; a score that is not a number, as of a diverged network, is the lowest.
    """
    scores = scores.double().nan_to_num(-1.0).masked_fill(~left, -torch.inf)
    order = scores.argsort(dim=1, descending=True, stable=True)
    first = torch.arange(scores.shape[1]) < torch.tensor(kept).unsqueeze(1)
    return torch.zeros_like(left).scatter_(1, order, first) & left
