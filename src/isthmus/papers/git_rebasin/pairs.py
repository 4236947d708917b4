"""Disjoint pairs and sets of a fleet's networks."""

from collections.abc import Iterator

from torch import Tensor

from isthmus.engine.fleet import Fleet
from isthmus.symmetry.pairs import Pairs


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
