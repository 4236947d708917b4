"""Masks that another fleet's networks have, as they are or in another order."""

from torch import Tensor

from isthmus.pruning import masks
from isthmus.pruning.begin import Scene


def same(scene: Scene) -> Tensor:
    """The giver's masks (R, P)."""
    return scene.given


def shuffled(scene: Scene) -> Tensor:
    """The giver's masks (R, P), each layer's places in an order drawn by the network's own seed."""
    return masks.shuffled(scene.slots, scene.given, scene.seeds)
