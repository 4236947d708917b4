"""Masks that another fleet's networks have, as they are or in another order."""

from torch import Tensor

from isthmus.pruning import masks
from isthmus.pruning.begin import Scene
from isthmus.symmetry import table


def same(scene: Scene) -> Tensor:
    """The giver's masks (R, P)."""
    return scene.given


def shuffled(scene: Scene) -> Tensor:
    """The giver's masks (R, P), each layer's places in an order drawn by the network's own seed."""
    return masks.shuffled(scene.slots, scene.given, scene.seeds)


def reordered(scene: Scene) -> Tensor:
    """The giver's masks (R, P), their units in an order drawn by the network's own seed: a match by chance."""
    layout, axes = scene.architecture.layout, scene.architecture.axes
    perms = table.random(table.group_sizes(layout, axes), scene.seeds, "reordered mask")
    return table.permute(layout, axes, perms, scene.given)
