"""Masks at initialisation by one batch of as many examples of each class, drawn for each network by its seed."""

import torch
from torch import Tensor

from isthmus.pruning import masks, scores
from isthmus.pruning.begin import Scene


def snip(scene: Scene) -> Tensor:
    """Masks (R, P) of the largest connection sensitivity (Lee et al. 2019)."""
    return _kept(scene, scores.snip(scene.architecture, scene.theta, *_batches(scene), scene.loss))


def grasp(scene: Scene) -> Tensor:
    """Masks (R, P) that keep the gradient's flow (Wang et al. 2020)."""
    return _kept(scene, scores.grasp(scene.architecture, scene.theta, *_batches(scene), scene.loss))


def _kept(scene: Scene, score: Tensor) -> Tensor:
    whole = torch.ones_like(scene.theta, dtype=torch.bool)
    return masks.largest(scene.slots, score, whole, scene.density)


def _batches(scene: Scene) -> tuple[Tensor, Tensor]:
    """Inputs (R, N, *shape) and labels (R, N)."""
    x, y = scene.data.inputs["train"], scene.data.labels["train"]
    places = torch.stack([scores.balanced(y, scene.pruning.examples, seed) for seed in scene.seeds])
    return x[places], y[places]
