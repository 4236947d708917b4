"""Where pruned networks begin: each recipe's masks, made kind by kind from what the recipe says they come of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module

import torch
from torch import Tensor

from isthmus.data.prepared import DataSet
from isthmus.engine.architecture import Architecture
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Network, Pruning, Recipe
from isthmus.engine.start import Start
from isthmus.errors import UserError
from isthmus.pruning import masks
from isthmus.pruning.kinds import KINDS
from isthmus.pruning.masks import Density, Slots
from isthmus.pruning.schedule import by_layer


@dataclass(frozen=True)
class Scene:
    """What a kind of mask is made of, for R networks that are pruned alike.

    theta: their rows (R, P) as they begin. fleets: those that the recipe reads, by role. slots: what may be pruned.
    """

    pruning: Pruning
    architecture: Architecture
    slots: Slots
    networks: Sequence[Network]
    theta: Tensor
    data: DataSet
    loss: str
    fleets: Mapping[str, Fleet]

    @cached_property
    def seeds(self) -> list[int]:
        """The networks' seeds."""
        return [network.seed for network in self.networks]

    @cached_property
    def rows(self) -> list[int]:
        """The rows, in the giver's fleet, that the masks come from."""
        return [network.mask.row for network in self.networks]

    @property
    def density(self) -> Density:
        """What is to be kept: of all prunable weights, or layer by layer."""
        wanted, how = self.networks[0].mask.density, self.pruning
        return by_layer(self.slots, wanted, how.rate, how.slower) if how.layerwise else wanted

    @property
    def given(self) -> Tensor:
        """The masks (R, P) of the giver's networks."""
        return self.fleets["giver"].mask[self.rows]


def pruned(recipe: Recipe, rows: slice, start: Start, data: DataSet, fleets: Mapping[str, Fleet]) -> Start:
    """The start of these rows of a recipe with its masks; start: the same without.

    fleets: `parent` of a branch, `giver` of the masks, and `dense` at its root, as far as the recipe reads them.
    UserError for settings that do not fit the model, the data or the giver's masks, and for another recipe's giver.
    """
    giver = recipe.pruning.giver
    if giver is not None and giver.canonical() != fleets["giver"].recipe.canonical():
        raise UserError("prune: wanted the fleet of the run that the recipe is pruned by, found another's")
    architecture = Architecture.of(recipe, data.shape, data.classes)
    networks = recipe.networks[rows]
    theta = architecture.initial([network.seed for network in networks]) if start.theta is None else start.theta
    slots = masks.prunable(architecture.layout, recipe.pruning.spared)
    mask = torch.ones_like(theta, dtype=torch.bool)
    alike: dict[tuple[str, float | None], list[int]] = {}
    for row, network in enumerate(networks):
        if network.mask is not None:
            alike.setdefault((network.mask.kind, network.mask.density), []).append(row)
    for (kind, _), chosen in alike.items():
        some = [networks[row] for row in chosen]
        scene = Scene(recipe.pruning, architecture, slots, some, theta[chosen], data, recipe.loss, fleets)
        try:
            mask[chosen] = _maker(kind)(scene)
        except ValueError as error:
            raise UserError(f"study.yaml, prune: {error}") from error
    return replace(start, mask=mask)


def _maker(kind: str) -> Callable[[Scene], Tensor]:
    return getattr(import_module(f"isthmus.pruning.{KINDS[kind].module}"), kind)
