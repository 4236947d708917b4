"""Masks of the largest weights, and of weights drawn at random."""

import torch
from torch import Tensor

from isthmus.pruning import masks
from isthmus.pruning.begin import Scene


def magnitude(scene: Scene) -> Tensor:
    """Masks (R, P) of the largest weights of the giver's networks as they ended, among those that these kept.

    Without a giver: of the largest weights that the networks begin with.
    """
    if scene.pruning.giver is None:
        return masks.magnitude(scene.slots, scene.theta, _whole(scene), scene.density)
    theta = scene.fleets["giver"].final[scene.rows]
    return masks.magnitude(scene.slots, theta, scene.given, scene.density)


def random(scene: Scene) -> Tensor:
    """Masks (R, P) of weights drawn by each network's seed."""
    return masks.random(scene.slots, _whole(scene), scene.density, scene.seeds)


def _whole(scene: Scene) -> Tensor:
    return torch.ones_like(scene.theta, dtype=torch.bool)
