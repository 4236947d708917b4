"""Disjoint pairs of a fleet's networks, of which A stays and B is permuted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.fleet import Fleet
from isthmus.symmetry import table


@dataclass(frozen=True)
class Pairs:
    """Networks a and b (K, P), the training inputs x (N, *shape) and labels y, and the seed of each a."""

    architecture: Architecture
    a: Tensor
    b: Tensor
    x: Tensor
    y: Tensor
    seeds: Sequence[int]

    def permuted(self, perms: Mapping[str, Tensor]) -> Tensor:
        """b (K, P) with its units in this order."""
        return table.permute(self.architecture.layout, self.architecture.axes, perms, self.b)

    def shuffled(self, purpose: str) -> table.Perms:
        """A random order of units for each pair, which depends on its seed and the purpose alone."""
        sizes = table.group_sizes(self.architecture.layout, self.architecture.axes)
        return table.random(sizes, self.seeds, purpose)

    def copies(self) -> "Pairs":
        """A against A in random order."""
        itself = replace(self, b=self.a)
        return replace(self, b=itself.permuted(self.shuffled("relabelled")))


def pairs_by_rate(fleet: Fleet, theta: Tensor, most: int) -> Iterator[tuple[float, Pairs]]:
    """(learning rate, the first disjoint pairs of rows theta (R, P) there, at most so many), rates rising.

    Networks of seeds (s, s + 1), (s + 2, s + 3), ...
    """
    x, y = fleet.data.inputs["train"], fleet.data.labels["train"]
    for lr in sorted({network.lr for network in fleet.networks}):
        rows = [row for row, network in enumerate(fleet.networks) if network.lr == lr][: 2 * most]
        left, right = rows[0:-1:2], rows[1::2]
        seeds = [fleet.networks[row].seed for row in left]
        yield lr, Pairs(fleet.architecture, theta[left], theta[right], x, y, seeds)


def sets_of(fleet: Fleet, members: int) -> tuple[list[int], Tensor]:
    """First seed of each disjoint set, and the sets (K, M, P); networks left over belong to none."""
    count = len(fleet.networks) // members
    seeds = [fleet.networks[k * members].seed for k in range(count)]
    return seeds, fleet.final[: count * members].unflatten(0, (count, members))


def shape(fleet: Fleet) -> dict[str, int]:
    """width: units of the last hidden layer, or channels of the first stage. depth: hidden layers, or as named."""
    settings = fleet.recipe.model.settings
    if "widths" in settings:
        return {"width": settings["widths"][-1], "depth": len(settings["widths"])}
    return {"width": settings["width"], "depth": settings["depth"]}
