"""Masks carried over to other networks, modulo permutation (Adnan et al. 2025): sparse re-basin."""

from torch import Tensor

from isthmus.pruning.begin import Scene
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.matching import weight_matching


def aligned(scene: Scene) -> Tensor:
    """The giver's masks (R, P), their units in the order of the networks that they are for.

    The order is that which brings the dense network at the root of the giver's chain, trained, nearest to the one
    that this network begins at, trained to its own end: by activations on the training set, or by weights. Both are
    known only after training: the mask explains, it does not save work.
    """
    layout, axes = scene.architecture.layout, scene.architecture.axes
    goal = scene.fleets["parent"].final[[network.parent for network in scene.networks]]
    source = scene.fleets["dense"].final[[_root(scene, row) for row in scene.rows]]
    if scene.pruning.align == "weights":
        perms = weight_matching(layout, axes, goal, source).perms
    else:
        x = scene.data.inputs["train"]
        perms = activation_matching(scene.architecture, goal, source, x, scene.pruning.align)
    return table.permute(layout, axes, perms, scene.given)


def _root(scene: Scene, row: int) -> int:
    """The row, in the dense fleet, of the network at the root of the chain that ends at this row of the giver."""
    recipe = scene.pruning.giver
    while recipe.pruning is not None and recipe.pruning.giver is not None:
        row, recipe = recipe.networks[row].mask.row, recipe.pruning.giver
    return row
