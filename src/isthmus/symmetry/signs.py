"""Sign flips of units with an odd activation: what makes a unit and what reads it times -1, the function the same.

With permutations these are all the symmetries of an irreducible tanh network of one hidden layer (Sussmann 1992). A
flip is a rescaling by -1: `rescaling.rescale` performs it.
"""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.symmetry.rescaling import groups_with, rescale

_ODD = ("tanh", "identity")

# Family -> how the names of those groups begin whose units meet odd functions only, and are made of groups before
# them. Not a VGG's channels, since a maximum is not odd; not a ResNet's streams, which later blocks add to.
_GROUPS = {
    "mlp": ("h",), "cnn": ("c", "d"), "vgg": ("d",), "resnet": ("inner",), "vit": ("hidden",), "rnn": ("h",)
}  # fmt: skip


def flippable(architecture: Architecture) -> list[str]:
    """The groups whose units may be flipped, in the table's order: with an odd activation, without normalisation.

    Of MLPs, hidden layers of transformers, a ResNet's blocks but not its streams, plain recurrent layers, and of
    CNNs and VGGs, but no channels that are pooled by their maximum.
    """
    pooled = {"cnn": ("d",)} if architecture.settings.get("pool") == "max" else {}
    return groups_with(architecture, _ODD, _GROUPS | pooled)


def canonical_signs(architecture: Architecture, theta: Tensor) -> Tensor:
    """Rows (K, P) that compute the same functions, each of the `flippable` units with a sum of its incoming weights
    and bias that is not negative; other groups stay. Bit for bit the same for all flips of a row.
    """
    layout, axes = architecture.layout, architecture.axes
    for group in flippable(architecture):
        # Once the groups before this one have their signs. What a recurrent layer reads of itself would flip twice.
        made_by = [name for name, groups in axes.items() if groups[0] == group and group not in groups[1:]]
        parts = [part.double() for name, part in layout.split(theta).items() if name in made_by]
        total = sum(part.reshape(*part.shape[:2], -1).sum(2) for part in parts)
        theta = rescale(layout, axes, {group: torch.where(total < 0, -1.0, 1.0)}, theta)
    return theta
