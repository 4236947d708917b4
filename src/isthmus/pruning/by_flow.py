"""Masks at initialisation without data, by SynFlow."""

from torch import Tensor

from isthmus.pruning import synflow as flows
from isthmus.pruning.begin import Scene


def synflow(scene: Scene) -> Tensor:
    """Masks (R, P) after the paper's 100 iterations (Tanaka et al. 2020)."""
    if scene.pruning.layerwise:
        raise ValueError("layerwise: wanted false for mask: synflow, which compares layers, found true")
    return flows.synflow(scene.architecture, scene.slots, scene.theta, scene.networks[0].mask.density)
